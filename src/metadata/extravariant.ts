// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";
import { encodeUtf8 } from "../base/text.ts";
import type { ExtraFile } from "./extradata.ts";

/** Name, size, installed size, SHA-256 and address of each file; both sizes in big-endian order, whatever the machine. */
export const extraSourcesType = "a(ayttays)";

function malformed(reason: string): DowelError {
  return new DowelError("METADATA_INVALID", `Label xa.extra-data-sources: ${reason}`);
}

function align(offset: number): number {
  return (offset + 7) & ~7;
}

/** How many bytes a framing offset has in a container of so many bytes (GVariant specification 2.3.6). */
function offsetBytes(size: number): number {
  return size <= 0xff ? 1 : size <= 0xffff ? 2 : 4;
}

/** The framing offset that ends at a position counted from the end of a container. */
function offsetFromEnd(bytes: Buffer, fromEnd: number, start: number): number {
  const width = offsetBytes(bytes.length);
  const at = bytes.length - fromEnd * width;
  const value = at < 0 ? bytes.length + 1 : bytes.readUIntLE(at, width);
  if (value < start || value > bytes.length) throw malformed(`an offset of ${value} in ${bytes.length} bytes`);
  return value;
}

function cText(bytes: Buffer, key: string): string {
  if (bytes.at(-1) !== 0 || bytes.indexOf(0) !== bytes.length - 1) throw malformed(`${key} does not end with one NUL`);
  return new TextDecoder("utf-8", { fatal: false }).decode(bytes.subarray(0, -1));
}

function decodeSource(bytes: Buffer): ExtraFile {
  const nameEnd = offsetFromEnd(bytes, 1, 0);
  const numbers = align(nameEnd);
  const checksumEnd = offsetFromEnd(bytes, 2, numbers + 16);
  const uriEnd = bytes.length - 2 * offsetBytes(bytes.length);
  if (uriEnd < checksumEnd) throw malformed("its members overlap");
  return {
    name: cText(bytes.subarray(0, nameEnd), "a name"),
    size: Number(bytes.readBigUInt64BE(numbers)),
    installedSize: Number(bytes.readBigUInt64BE(numbers + 8)),
    checksum: bytes.subarray(numbers + 16, checksumEnd).toString("hex"),
    uri: cText(bytes.subarray(checksumEnd, uriEnd), "an address"),
  };
}

/** Reads the serialized variant of a label `xa.extra-data-sources`. Throws `METADATA_INVALID`. */
export function decodeExtraSources(variant: Buffer): readonly ExtraFile[] {
  const type = `\0${extraSourcesType}`;
  if (variant.subarray(-type.length).toString("latin1") !== type) throw malformed(`not of type ${extraSourcesType}`);
  const bytes = variant.subarray(0, -type.length);
  if (bytes.length === 0) return [];
  const width = offsetBytes(bytes.length);
  const table = offsetFromEnd(bytes, 1, 0);
  const count = (bytes.length - table) / width;
  if (!Number.isInteger(count)) throw malformed("its table of offsets is cut short");
  const sources: ExtraFile[] = [];
  for (let at = 0, start = 0; at < count; at++) {
    const end = offsetFromEnd(bytes, count - at, start);
    if (end > table) throw malformed("an element lies in the table of offsets");
    sources.push(decodeSource(bytes.subarray(start, end)));
    start = align(end);
  }
  return sources;
}

/** A container's members and, behind them, its framing offsets. */
function framed(body: Buffer, offsets: readonly number[]): Buffer {
  for (const width of [1, 2, 4]) {
    const size = body.length + width * offsets.length;
    if (offsetBytes(size) !== width) continue;
    const table = Buffer.alloc(width * offsets.length);
    for (const [at, offset] of offsets.entries()) table.writeUIntLE(offset, at * width, width);
    return Buffer.concat([body, table]);
  }
  throw malformed("it is too large");
}

function padded(bytes: Uint8Array): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(align(bytes.length) - bytes.length)]);
}

function encodeSource({ name, uri, size, installedSize, checksum }: ExtraFile): Buffer {
  const numbers = Buffer.alloc(16);
  numbers.writeBigUInt64BE(BigInt(size), 0);
  numbers.writeBigUInt64BE(BigInt(installedSize), 8);
  const named = encodeUtf8(`${name}\0`);
  const head = Buffer.concat([padded(named), numbers, Buffer.from(checksum, "hex")]);
  return framed(Buffer.concat([head, encodeUtf8(`${uri}\0`)]), [head.length, named.length]);
}

/** The data, without its type, of a label `xa.extra-data-sources`. */
export function encodeExtraSources(files: readonly ExtraFile[]): Uint8Array {
  const ends: number[] = [];
  let body = Buffer.alloc(0);
  for (const file of files) {
    body = Buffer.concat([padded(body), encodeSource(file)]);
    ends.push(body.length);
  }
  return framed(body, ends);
}
