// SPDX-License-Identifier: Apache-2.0
import { crc32 } from "node:zlib";
import { limits } from "../../base/limits.ts";
import { svgProblem, svgzProblem } from "./svg.ts";

const pngSignature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/**
 * Why a desktop must not be given an icon; undefined where it may. What the name says must be what the content is, and
 * its size what an icon may have, by Flatpak's rules: at most 512 pixels, or 4096 where it is drawn anew, and square.
 * Nothing is decoded but what says that; what decodes it later meets no more than these limits allow.
 */
export function iconProblem(name: string, bytes: Uint8Array): string | undefined {
  if (name.endsWith(".png")) return pngProblem(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
  if (name.endsWith(".svg")) return svgProblem(bytes);
  if (name.endsWith(".svgz")) return svgzProblem(bytes);
  return icoProblem(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
}

/** Source: PNG specification, third edition, sections 5 and 11.2.1. */
function pngProblem(bytes: Buffer): string | undefined {
  if (!bytes.subarray(0, 8).equals(pngSignature)) return "is not a PNG image";
  let at = 8;
  for (let number = 0; ; number++) {
    const length = at + 12 <= bytes.length ? bytes.readUInt32BE(at) : Number.POSITIVE_INFINITY;
    const end = at + 12 + length;
    if (end > bytes.length) return "is a PNG image that ends too early";
    const type = bytes.toString("latin1", at + 4, at + 8);
    if (crc32(bytes.subarray(at + 4, end - 4)) !== bytes.readUInt32BE(end - 4)) return "is a damaged PNG image";
    if ((number === 0) !== (type === "IHDR")) return "is a PNG image that does not begin with its size";
    if (number === 0) {
      const problem =
        length === 13 ? sizeProblem(bytes.readUInt32BE(at + 8), bytes.readUInt32BE(at + 12)) : "is damaged";
      if (problem !== undefined) return problem;
    }
    at = end;
    if (type === "IEND") return at === bytes.length ? undefined : "is a PNG image with something behind it";
  }
}

function sizeProblem(width: number, height: number): string | undefined {
  if (width === 0 || width !== height) return `is ${width} wide and ${height} high, not square`;
  return width <= limits.iconPixels ? undefined : `is larger than ${limits.iconPixels} pixels`;
}

/** `ICONDIR` and its entries; each image must lie in the file, behind them. */
function icoProblem(bytes: Buffer): string | undefined {
  const count = bytes.length >= 6 && bytes.readUInt32LE(0) === 0x0001_0000 ? bytes.readUInt16LE(4) : 0;
  const header = 6 + 16 * count;
  if (count === 0 || bytes.length < header) return "is not an ICO image";
  for (let at = 6; at < header; at += 16) {
    const [size, offset] = [bytes.readUInt32LE(at + 8), bytes.readUInt32LE(at + 12)];
    if (offset < header || offset + size > bytes.length) return "is an ICO image that ends too early";
  }
  return undefined;
}
