// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";

/** Types of values by their number ("POD", the data format of SPA). */
export const podType = {
  none: 1,
  bool: 2,
  id: 3,
  int: 4,
  long: 5,
  text: 8,
  struct: 14,
  object: 15,
  descriptor: 18,
} as const;

/** Before each value: its size and its type, 32 bits each, in the machine's byte order. */
export const podHeaderBytes = 8;

/** Values lie at multiples of 8 bytes. */
export function padded(size: number): number {
  return Math.ceil(size / 8) * 8;
}

/** Names and values, as PipeWire says properties. */
export type Dictionary = ReadonlyMap<string, string>;

export function malformedPod(offset: number, expected: string): DowelError {
  return new DowelError(
    "SOUND_PROTOCOL",
    `Cannot read a message for PipeWire: at offset ${offset} must be ${expected}`,
  );
}
