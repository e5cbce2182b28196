// SPDX-License-Identifier: Apache-2.0
import { metacopyHeader, xattrHeaderBytes, xattrMetacopy, xattrOpaque, xattrRedirect } from "./constants.ts";
import { splitXattrName, type XattrName } from "./xattr-names.ts";

/** The xattrs of plain trees: those of an object, and that of the root. */
const seal = splitXattrName(xattrMetacopy);
const redirect = splitXattrName(xattrRedirect);
const opaque = splitXattrName(xattrOpaque);

const sealValue = `${metacopyHeader}${"\0".repeat(32)}`;
/** `/ab/cdef…` */
const redirectValue = `/${"\0".repeat(65)}`;

function entryBytes({ suffix }: XattrName, value: string): number {
  return (4 + suffix.length + value.length + 3) & ~3;
}

export const sealBytes = entryBytes(seal, sealValue);
export const redirectBytes = entryBytes(redirect, redirectValue);
/** Bytes of the xattrs of a file with an object, in the inode or by reference; and of the root. */
export const objectXattrBytes = xattrHeaderBytes + sealBytes + redirectBytes;
export const sharedXattrBytes = xattrHeaderBytes + 4 + 4;
export const folderXattrBytes = xattrHeaderBytes + entryBytes(opaque, "y");

/** Where the digest begins in the area of an object, and the path that leads there. */
export const areaDigestAt = xattrHeaderBytes + 4 + seal.suffix.length + metacopyHeader.length;
export const areaPathAt = xattrHeaderBytes + sealBytes + 4 + redirect.suffix.length + 1;
/** Where the entries begin in the area of an object. */
export const areaSealAt = xattrHeaderBytes;
export const areaRedirectAt = xattrHeaderBytes + sealBytes;

function entry(name: XattrName, value: string): Buffer {
  const bytes = Buffer.alloc(entryBytes(name, value));
  bytes.writeUInt8(name.suffix.length, 0);
  bytes.writeUInt8(name.index, 1);
  bytes.writeUInt16LE(value.length, 2);
  bytes.write(`${name.suffix}${value}`, 4, "latin1");
  return bytes;
}

function header(names: readonly XattrName[], references: number): Buffer {
  const bytes = Buffer.alloc(xattrHeaderBytes);
  bytes.writeUInt32LE(names.reduce((filter, { filterBit }) => filter & ~(1 << filterBit), 0xffff_ffff) >>> 0, 0);
  bytes.writeUInt8(references, 4);
  return bytes;
}

/** The xattrs of a file with an object, but for the digest. */
export const objectArea: Uint8Array = Buffer.concat([
  header([seal, redirect], 0),
  entry(seal, sealValue),
  entry(redirect, redirectValue),
]);
const sharedArea = header([seal, redirect], 2);
/** The xattr of the root, which hides what is below. */
export const rootArea: Uint8Array = Buffer.concat([header([opaque], 0), entry(opaque, "y")]);

/** Writes a digest (64 hexadecimal digits) into the area at a place, and the path of its object: `ab/` and the rest. */
export function putDigest(out: Buffer, area: number, digest: string): void {
  out.write(digest, area + areaDigestAt, 32, "hex");
  const start = area + areaPathAt;
  out.write(digest, start + 1, 64, "latin1");
  out[start] = digest.charCodeAt(0);
  out[start + 1] = digest.charCodeAt(1);
  out[start + 2] = 0x2f;
}

/** The words of xattrs that are shared, but for the numbers that lead to the entries. */
export const sharedWords: readonly number[] = [0, 4, 8].map((at) => sharedArea.readUInt32LE(at));
