// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { decodeUtf8 } from "../../base/text.ts";
import { blockSize } from "./entry.ts";
import { parseNumber } from "./numbers.ts";

/** One header block, with nothing that extended headers say. */
export interface RawHeader {
  readonly name: string;
  readonly typeFlag: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly seconds: number;
  readonly linkName: string;
  readonly devMajor: number;
  readonly devMinor: number;
  /** Where the block starts in the archive. */
  readonly offset: number;
}

export function tarInvalid(offset: number, text: string): DowelError {
  return new DowelError("TAR_INVALID", `tar archive, offset ${offset}: ${text}`);
}

const zeroBlock = new Uint8Array(blockSize);

/** Whether all bytes are 0; `bytes` may be of any length. */
export function isZero(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at += blockSize) {
    const part = bytes.subarray(at, at + blockSize);
    if (Buffer.compare(part, zeroBlock.subarray(0, part.length)) !== 0) return false;
  }
  return true;
}

/** Decodes a name; archives whose names are not UTF-8 cannot be unpacked faithfully. */
export function decodeName(bytes: Uint8Array, offset: number, field: string): string {
  const text = decodeUtf8(bytes);
  if (text === undefined) {
    const shown = new TextDecoder().decode(bytes);
    throw new DowelError("TAR_UNSAFE", `tar archive, offset ${offset}: ${field} "${shown}" must be valid UTF-8`);
  }
  return text;
}

function fieldText(block: Uint8Array, start: number, length: number, offset: number, field: string): string {
  const end = block.subarray(start, start + length).indexOf(0);
  return decodeName(block.subarray(start, end < 0 ? start + length : start + end), offset, field);
}

/** The sum of all bytes with the checksum field counted as spaces. Some old writers took bytes as signed. */
function checksumMatches(block: Uint8Array, expected: number): boolean {
  let sum = 8 * 0x20;
  let high = 0;
  for (let at = 0; at < 148; at++) {
    const byte = block[at] ?? 0;
    sum += byte;
    high += byte >>> 7;
  }
  for (let at = 156; at < blockSize; at++) {
    const byte = block[at] ?? 0;
    sum += byte;
    high += byte >>> 7;
  }
  return sum === expected || sum - 256 * high === expected;
}

function magicOf(block: Uint8Array, offset: number): "ustar" | "gnu" | "v7" {
  const magic = String.fromCharCode(...block.subarray(257, 265));
  if (magic.startsWith("ustar\0")) return "ustar";
  if (magic === "ustar  \0") return "gnu";
  if (magic === "\0\0\0\0\0\0\0\0") return "v7";
  throw tarInvalid(offset, "the magic of a header must be ustar, GNU or empty");
}

/**
 * Parses one header block that is not all zeros (POSIX.1-2001 ustar, GNU tar, v7).
 * `offset` is where it starts in the archive; throws TAR_INVALID, or TAR_UNSAFE for a name that is not UTF-8.
 */
export function parseHeader(block: Uint8Array, offset: number): RawHeader {
  const number = (start: number, length: number, field: string): number => {
    const value = parseNumber(block, start, length);
    if (value === undefined) throw tarInvalid(offset, `the field ${field} must be an octal or base-256 number`);
    return value;
  };
  const natural = (start: number, length: number, field: string): number => {
    const value = number(start, length, field);
    if (value < 0) throw tarInvalid(offset, `the field ${field} must not be negative`);
    return value;
  };
  if (!checksumMatches(block, number(148, 8, "checksum"))) {
    throw tarInvalid(offset, "the checksum of a header does not match; the archive is damaged, or no tar archive");
  }
  const magic = magicOf(block, offset);
  const prefix = magic === "ustar" ? fieldText(block, 345, 155, offset, "the name prefix") : "";
  const name = fieldText(block, 0, 100, offset, "the name");
  const typeFlag = String.fromCharCode(block[156] ?? 0);
  const device = typeFlag === "3" || typeFlag === "4";
  return {
    name: prefix === "" ? name : `${prefix}/${name}`,
    typeFlag,
    mode: natural(100, 8, "mode") & 0o7777,
    uid: natural(108, 8, "uid"),
    gid: natural(116, 8, "gid"),
    size: natural(124, 12, "size"),
    seconds: number(136, 12, "mtime"),
    linkName: fieldText(block, 157, 100, offset, "the link target"),
    devMajor: device ? natural(329, 8, "devmajor") : 0,
    devMinor: device ? natural(337, 8, "devminor") : 0,
    offset,
  };
}
