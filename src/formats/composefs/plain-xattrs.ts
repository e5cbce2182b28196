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

/** Where the digest begins in the entry that seals an object, and the path in the one that leads there. */
const sealDigestAt = 4 + seal.suffix.length + metacopyHeader.length;
const pathAt = 4 + redirect.suffix.length + 1;

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

const sealEntry = entry(seal, sealValue);
const redirectEntry = entry(redirect, redirectValue);
const objectArea = Buffer.concat([header([seal, redirect], 0), sealEntry, redirectEntry]);
const sharedArea = header([seal, redirect], 2);
const rootArea = Buffer.concat([header([opaque], 0), entry(opaque, "y")]);

/** Writes the digest into an entry that seals an object. */
function putSeal(out: Buffer, at: number, digest: string): void {
  out.write(digest, at + sealDigestAt, 32, "hex");
}

/** Writes the path of an object into an entry that leads there: `ab/` and the rest of the digest. */
function putPath(out: Buffer, at: number, digest: string): void {
  const start = at + pathAt;
  out.write(digest, start + 1, 64, "latin1");
  out[start] = digest.charCodeAt(0);
  out[start + 1] = digest.charCodeAt(1);
  out[start + 2] = 0x2f;
}

/** The xattrs of a file with an object. */
export function putObjectXattrs(out: Buffer, at: number, digest: string): void {
  objectArea.copy(out, at);
  putSeal(out, at + xattrHeaderBytes, digest);
  putPath(out, at + xattrHeaderBytes + sealBytes, digest);
}

/** The same, where they are shared; the numbers lead to the entries. */
export function putSharedXattrs(out: Buffer, at: number, sealAt: number, redirectAt: number): void {
  sharedArea.copy(out, at);
  out.writeUInt32LE(sealAt, at + xattrHeaderBytes);
  out.writeUInt32LE(redirectAt, at + xattrHeaderBytes + 4);
}

/** The xattr of the root, which hides what is below. */
export function putRootXattrs(out: Buffer, at: number): void {
  rootArea.copy(out, at);
}

/** The entries that several files share, `number` of `count`. */
export function putSharedEntries(out: Buffer, start: number, number: number, count: number, digest: string): void {
  const redirectAt = start + number * redirectBytes;
  const sealAt = start + count * redirectBytes + number * sealBytes;
  redirectEntry.copy(out, redirectAt);
  putPath(out, redirectAt, digest);
  sealEntry.copy(out, sealAt);
  putSeal(out, sealAt, digest);
}
