// SPDX-License-Identifier: Apache-2.0
import { type Command, frameBytes, readCommand } from "../../../src/session/sound/pulse.ts";

/** A packet of values: numbers as `L`, texts as `t`, and whatever else as bytes. */
export function packet(...values: readonly (number | string | Buffer)[]): Buffer {
  const body = values.map((value) => {
    if (typeof value === "string") return Buffer.from(`t${value}\0`);
    if (typeof value !== "number") return value;
    const bytes = Buffer.from("L0000");
    bytes.writeUInt32BE(value >>> 0, 1);
    return bytes;
  });
  const head = Buffer.alloc(frameBytes);
  head.writeUInt32BE(Buffer.concat(body).length, 0);
  head.writeUInt32BE(0xffff_ffff, 4);
  return Buffer.concat([head, ...body]);
}

export const read = (bytes: Buffer): Command => readCommand(bytes, 0, bytes.length);

/** Properties as a packet has them. */
export const properties = (...names: readonly string[]): readonly (number | string | Buffer)[] => [
  Buffer.from("P"),
  ...names.flatMap((name) => [name, 5, Buffer.from("x\0\0\0\x05true\0")]),
  Buffer.from("N"),
];
