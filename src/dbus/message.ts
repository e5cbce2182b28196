// SPDX-License-Identifier: Apache-2.0
import { isDowelError } from "../base/errors.ts";
import { readValues } from "../formats/dbus/decode.ts";
import type { MessageHeader } from "../formats/dbus/header.ts";

/** A message that came, as a value. Who gets it owns its descriptors. */
export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly serial: number;
  readonly replySerial: number;
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  readonly errorName: string;
  readonly destination: string;
  readonly sender: string;
  readonly signature: string;
  /** What the body holds; undefined where it is malformed, or names descriptors that did not come. */
  readonly values: readonly unknown[] | undefined;
  readonly descriptors: readonly number[];
}

function valuesOf(...body: Parameters<typeof readValues>): readonly unknown[] | undefined {
  try {
    return readValues(...body);
  } catch (error) {
    if (isDowelError(error, "DBUS_INVALID")) return undefined;
    throw error;
  }
}

/** The message whose header was read, which must lie at `start` as a whole. */
export function takeMessage(
  bytes: Uint8Array,
  start: number,
  header: MessageHeader,
  descriptors: readonly number[],
): Message {
  const { type, flags, serial, replySerial, path, member, errorName, destination, sender, signature } = header;
  const values = valuesOf(bytes, start, header, descriptors);
  const names = { path, interface: header.interface, member, errorName, destination, sender, signature };
  return { type, flags, serial, replySerial, ...names, values, descriptors };
}
