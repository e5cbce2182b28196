// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";
import { decodeUtf8 } from "../base/text.ts";

export const blockSize = 512;

/** What an archive of a layout needs from a tar header (POSIX pax, ustar and GNU). */
export interface TarHeader {
  readonly name: string;
  readonly size: number;
  readonly type: string;
}

/** Reads one 512-byte header; undefined for the zero block that ends an archive. */
export function readHeader(block: Uint8Array, what: string, offset: number): TarHeader | undefined {
  if (block.every((byte) => byte === 0)) return undefined;
  const wrong = (reason: string): DowelError =>
    new DowelError("TAR_INVALID", `${what}: header at ${offset}: ${reason}`);
  if (checksum(block) !== number(block, 148, 8)) throw wrong("wrong checksum, or not an uncompressed tar");
  const size = number(block, 124, 12);
  if (size === undefined) throw wrong("size must be a number");
  const magic = text(block, 257, 5);
  const prefix = magic === "ustar" && block[263] !== 0x20 ? text(block, 345, 155) : "";
  const name = text(block, 0, 100);
  const flag = String.fromCharCode(block[156] ?? 0);
  return { name: prefix === "" ? name : `${prefix}/${name}`, size, type: flag === "\0" || flag === "7" ? "0" : flag };
}

/** Reads the records `LENGTH KEY=VALUE\n` of a pax extended header. */
export function readPaxRecords(bytes: Uint8Array, what: string, offset: number): ReadonlyMap<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < bytes.byteLength; ) {
    const space = bytes.indexOf(0x20, at);
    const digits = space < 0 || space - at > 8 ? "" : Buffer.from(bytes.subarray(at, space)).toString("latin1");
    const length = /^[0-9]+$/.test(digits) ? Number(digits) : 0;
    const record = decodeUtf8(bytes.subarray(space + 1, at + length));
    const equals = record?.indexOf("=") ?? -1;
    if (length === 0 || at + length > bytes.byteLength || record?.endsWith("\n") !== true || equals < 1) {
      throw new DowelError("TAR_INVALID", `${what}: extended header at ${offset + at} is malformed`);
    }
    records.set(record.slice(0, equals), record.slice(equals + 1, -1));
    at += length;
  }
  return records;
}

/** The header of a regular file, 0644 root:root at time 0. Names are at most 100 bytes, sizes below 2^63. */
export function writeHeader(name: string, size: number): Uint8Array {
  const block = Buffer.alloc(blockSize);
  block.write(name, 0, 100, "utf8");
  block.write("0000644\0", 100, "latin1");
  block.write("0000000\0", 108, "latin1");
  block.write("0000000\0", 116, "latin1");
  if (size < 0o100000000000) block.write(`${size.toString(8).padStart(11, "0")}\0`, 124, "latin1");
  else {
    block[124] = 0x80;
    block.writeBigUInt64BE(BigInt(size), 128);
  }
  block.write("00000000000\0", 136, "latin1");
  block.write("0", 156, "latin1");
  block.write("ustar\0", 257, "latin1");
  block.write("00", 263, "latin1");
  block.write(`${checksum(block).toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

function checksum(block: Uint8Array): number {
  let sum = 8 * 0x20;
  for (let at = 0; at < blockSize; at++) if (at < 148 || at >= 156) sum += block[at] ?? 0;
  return sum;
}

function text(block: Uint8Array, offset: number, length: number): string {
  const field = Buffer.from(block.subarray(offset, offset + length));
  const end = field.indexOf(0);
  return field.toString("utf8", 0, end < 0 ? length : end);
}

function number(block: Uint8Array, offset: number, length: number): number | undefined {
  if (((block[offset] ?? 0) & 0x80) !== 0) {
    let value = BigInt((block[offset] ?? 0) & 0x7f);
    for (let at = offset + 1; at < offset + length; at++) value = (value << 8n) | BigInt(block[at] ?? 0);
    return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : undefined;
  }
  const digits = text(block, offset, length).trim();
  return /^[0-7]{1,12}$/.test(digits) ? Number.parseInt(digits, 8) : undefined;
}
