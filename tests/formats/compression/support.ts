// SPDX-License-Identifier: Apache-2.0
import { type DowelError, isDowelError } from "../../../src/base/errors.ts";
import { decompress } from "../../../src/formats/compression/decompress.ts";

export async function* chunked(bytes: Uint8Array, size = 65536): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

export async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of stream) parts.push(Uint8Array.from(part));
  return Buffer.concat(parts);
}

export function unpackAll(bytes: Uint8Array, size?: number): Promise<Buffer> {
  return collect(decompress(chunked(bytes, size), "auto"));
}

/** The DowelError that a stream ends with; undefined where it ends well. Other errors are passed on. */
export async function errorOf(stream: AsyncIterable<Uint8Array>): Promise<DowelError | undefined> {
  try {
    for await (const _ of stream);
  } catch (error) {
    if (isDowelError(error)) return error;
    throw error;
  }
  return undefined;
}

/** Bytes that look random and are the same on every run. */
export function noise(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = 1;
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    bytes[at] = state >>> 23;
  }
  return bytes;
}

export function skippable(payload: string): Buffer {
  const head = Buffer.from([0x53, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]);
  head.writeUInt32LE(payload.length, 4);
  return Buffer.concat([head, Buffer.from(payload)]);
}
