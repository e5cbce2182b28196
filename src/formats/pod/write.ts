// SPDX-License-Identifier: Apache-2.0
import { type Dictionary, padded, podHeaderBytes, podType } from "./types.ts";

function pod(type: number, content: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(podHeaderBytes + padded(content.length));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, content.length, true);
  view.setUint32(4, type, true);
  bytes.set(content, podHeaderBytes);
  return bytes;
}

function word(type: number, value: number): Uint8Array {
  const content = new Uint8Array(4);
  new DataView(content.buffer).setInt32(0, value, true);
  return pod(type, content);
}

function longWord(type: number, value: bigint): Uint8Array {
  const content = new Uint8Array(8);
  new DataView(content.buffer).setBigInt64(0, value, true);
  return pod(type, content);
}

/** Values as POD, each padded; a struct is made of such values. */
export const write = {
  int: (value: number): Uint8Array => word(podType.int, value),
  id: (value: number): Uint8Array => word(podType.id, value),
  long: (value: bigint): Uint8Array => longWord(podType.long, value),
  /** @param index which of the descriptors beside the message */
  descriptor: (index: number): Uint8Array => longWord(podType.descriptor, BigInt(index)),
  text: (value: string): Uint8Array => pod(podType.text, Buffer.from(`${value}\0`)),
  struct: (...values: readonly Uint8Array[]): Uint8Array => pod(podType.struct, Buffer.concat(values)),
  /** An object without properties, as commands are. */
  object: (type: number, id: number): Uint8Array => {
    const content = new Uint8Array(8);
    const view = new DataView(content.buffer);
    view.setUint32(0, type, true);
    view.setUint32(4, id, true);
    return pod(podType.object, content);
  },
  /** How many properties there are, then their names and values. */
  dictionary: (properties: Dictionary): Uint8Array =>
    Buffer.concat([write.int(properties.size), ...[...properties].flat().map(write.text)]),
} as const;
