// SPDX-License-Identifier: Apache-2.0
import type { ByteString } from "./bytestring.ts";

/** What every inode has. */
export interface Metadata {
  /** The twelve permission bits, 0 to 0o7777; the type comes from `kind`. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Whole seconds since 1970, may be negative, a safe integer. */
  readonly mtimeSec: number;
  /** 0 to 999,999,999. */
  readonly mtimeNsec: number;
  /** Extended attributes by full name. */
  readonly xattrs: ReadonlyMap<ByteString, ByteString>;
}

/** A folder. Its link count is worked out from its subfolders. */
export interface Directory extends Metadata {
  readonly kind: "directory";
  readonly entries: Map<ByteString, Inode>;
}

/** What is not a folder. Several names of one inode are the same object in several `entries`. */
interface Linked extends Metadata {
  /** The link count that the image shows; it is written as it is given. */
  nlink: number;
}

/** A regular file whose content is in the image; an empty file is one with no content. */
export interface InlineFile extends Linked {
  readonly kind: "inline";
  readonly content: Uint8Array;
}

/** A regular file, not empty, whose content is an object of the store. */
export interface ExternalFile extends Linked {
  readonly kind: "external";
  /** Bytes, 1 to 2^52. */
  readonly size: number;
  /** fs-verity digest, 32 bytes; undefined where nothing is to be checked. */
  readonly digest: Uint8Array | undefined;
  /** Path of the object below the objects folder, `ab/cdef…`; undefined where there is none. */
  readonly payload: ByteString | undefined;
}

export interface Symlink extends Linked {
  readonly kind: "symlink";
  readonly target: ByteString;
}

/** A device; the character device 0 is an overlayfs whiteout. */
export interface Device extends Linked {
  readonly kind: "character" | "block";
  /** As the kernel encodes it in 32 bits. */
  readonly rdev: number;
}

export interface Special extends Linked {
  readonly kind: "fifo" | "socket";
}

export type Leaf = InlineFile | ExternalFile | Symlink | Device | Special;
export type Inode = Directory | Leaf;

/** Content up to this size is kept in the image by the tools; the digest of an image depends on that. */
export const inlineThreshold = 64;

/** The path of an object below the objects folder: two digits of its fs-verity digest, `/`, and the rest. */
export function objectPath(digest: Uint8Array): ByteString {
  const hex = Buffer.from(digest).toString("hex");
  return `${hex.slice(0, 2)}/${hex.slice(2)}`;
}

export function isWhiteout(inode: Inode): boolean {
  return inode.kind === "character" && inode.rdev === 0;
}
