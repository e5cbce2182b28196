// SPDX-License-Identifier: Apache-2.0
import type { ByteString } from "./bytestring.ts";
import {
  blockBytes,
  compactInodeBytes,
  extendedInodeBytes,
  layoutChunked,
  layoutInline,
  layoutPlain,
  slotBytes,
  superblockOffset,
  xattrHeaderBytes,
} from "./constants.ts";
import { type Extent, invalid } from "./extent.ts";
import { joinXattrName } from "./xattr-names.ts";

/** What the superblock says. */
export interface Superblock {
  readonly rootNid: number;
  readonly buildSec: number;
  readonly buildNsec: number;
  /** Start of the block in which the table of shared xattrs begins. */
  readonly sharedBase: number;
}

/** An inode as it stands in the image. */
export interface RawInode {
  /** The image's. */
  readonly version: number;
  readonly offset: number;
  /** Type and permission bits. */
  readonly mode: number;
  readonly size: number;
  readonly layout: number;
  /** Device number, first block or chunk format. */
  readonly union: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeSec: number;
  readonly mtimeNsec: number;
  readonly nlink: number;
  /** Its own, then those that it shares, each in the order of the image: so composefs-info prints them. */
  readonly xattrs: Map<ByteString, ByteString>;
  /** Behind the inode and its xattrs. */
  readonly tailOffset: number;
}

export function readSuperblock(image: Extent): Superblock {
  const at = superblockOffset;
  return {
    rootNid: image.u16(at + 14),
    buildSec: image.s64(at + 24),
    buildNsec: image.u32(at + 32),
    sharedBase: image.u32(at + 44) * blockBytes,
  };
}

/** Reads inodes and the xattrs that they share. */
export class InodeReader {
  readonly #image: Extent;
  readonly #superblock: Superblock;
  readonly #version: number;
  readonly #shared = new Map<number, readonly [ByteString, ByteString]>();

  constructor(image: Extent, superblock: Superblock, version: number) {
    this.#image = image;
    this.#version = version;
    this.#superblock = superblock;
  }

  read(nid: number): RawInode {
    const image = this.#image;
    const offset = nid * slotBytes;
    image.claim(offset, compactInodeBytes);
    const format = image.u16(offset);
    const layout = format >> 1;
    if (layout !== layoutPlain && layout !== layoutInline && layout !== layoutChunked) {
      invalid(offset, "the format of the inode must be plain, inline or chunked");
    }
    const extended = (format & 1) === 1;
    if (extended) image.claim(offset + compactInodeBytes, extendedInodeBytes - compactInodeBytes);
    const xattrsAt = offset + (extended ? extendedInodeBytes : compactInodeBytes);
    const count = image.u16(offset + 2);
    const xattrBytes = count === 0 ? 0 : xattrHeaderBytes + 4 * (count - 1);
    return {
      version: this.#version,
      offset,
      layout,
      mode: image.u16(offset + 4),
      union: image.u32(offset + 16),
      ...(extended ? this.#extended(offset) : this.#compact(offset)),
      xattrs: this.#xattrs(xattrsAt, xattrBytes),
      tailOffset: xattrsAt + xattrBytes,
    };
  }

  #compact(at: number) {
    const image = this.#image;
    return {
      nlink: image.u16(at + 6),
      size: image.u32(at + 8),
      uid: image.u16(at + 24),
      gid: image.u16(at + 26),
      mtimeSec: this.#superblock.buildSec,
      mtimeNsec: this.#superblock.buildNsec,
    };
  }

  #extended(at: number) {
    const image = this.#image;
    return {
      size: image.s64(at + 8),
      uid: image.u32(at + 24),
      gid: image.u32(at + 28),
      mtimeSec: image.s64(at + 32),
      mtimeNsec: image.u32(at + 40),
      nlink: image.u32(at + 44),
    };
  }

  #xattrs(start: number, length: number): Map<ByteString, ByteString> {
    const xattrs = new Map<ByteString, ByteString>();
    if (length === 0) return xattrs;
    const image = this.#image;
    image.claim(start, length);
    const end = start + length;
    const references = image.u8(start + 4);
    const shared = start + xattrHeaderBytes;
    const own = shared + 4 * references;
    if (own > end) invalid(start + 4, "the xattr references must be inside the inode");
    const add = (at: number, [key, value]: readonly [ByteString, ByteString]): void => {
      if (xattrs.has(key)) invalid(at, "an xattr must be there once");
      xattrs.set(key, value);
    };
    for (let at = own; at < end; ) {
      if (at + 4 > end) invalid(at, "an xattr must be inside the inode");
      const bytes = this.#entryBytes(at);
      if (at + bytes > end) invalid(at, "an xattr must be inside the inode");
      add(at, this.#entry(at));
      at += bytes;
    }
    for (let at = shared; at < own; at += 4) {
      add(at, this.#sharedXattr(this.#superblock.sharedBase + 4 * image.u32(at)));
    }
    return xattrs;
  }

  #sharedXattr(at: number): readonly [ByteString, ByteString] {
    const known = this.#shared.get(at);
    if (known !== undefined) return known;
    this.#image.claim(at, 4);
    this.#image.claim(at + 4, this.#entryBytes(at) - 4);
    const entry = this.#entry(at);
    this.#shared.set(at, entry);
    return entry;
  }

  #entryBytes(at: number): number {
    return Math.ceil((4 + this.#image.u8(at) + this.#image.u16(at + 2)) / 4) * 4;
  }

  #entry(at: number): readonly [ByteString, ByteString] {
    const image = this.#image;
    const suffixLength = image.u8(at);
    const key = joinXattrName(image.u8(at + 1), image.text(at + 4, suffixLength));
    if (key === undefined || key === "") invalid(at, "the name of an xattr must have a known prefix");
    return [key, image.text(at + 4 + suffixLength, image.u16(at + 2))];
  }
}
