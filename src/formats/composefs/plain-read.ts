// SPDX-License-Identifier: Apache-2.0
import {
  blockBytes,
  compactInodeBytes,
  direntBytes,
  extendedInodeBytes,
  layoutChunked,
  layoutInline,
  modeOf,
  slotBytes,
  superblockOffset,
  xattrHeaderBytes,
} from "./constants.ts";
import { Extent, invalid } from "./extent.ts";
import { type PlainKind, PlainTable, plainKinds } from "./plain-table.ts";
import { areaRedirectAt, areaSealAt, objectArea, objectXattrBytes, redirectBytes, sealBytes } from "./plain-xattrs.ts";
import { readSuperblock, type Superblock } from "./read-inode.ts";

const typeBits = 0o170000;

/**
 * Reads the image of a plain tree as a table: without a look at what all such images have in common, so that only an
 * image that is written of the table, and compared, says whether this one was such. The image may be hostile: nothing
 * outside of it is read, and the work is bounded by its size. Throws `COMPOSEFS_INVALID` with the offset.
 */
export function readPlain(image: Uint8Array): PlainTable {
  const memory = Buffer.alloc(image.length + (image.length >>> 2));
  memory.set(image);
  return new PlainReader(memory, image.length).read();
}

class PlainReader {
  readonly #bytes: Buffer;
  readonly #size: number;
  readonly #superblock: Superblock;
  readonly #table: PlainTable;
  /** Where inodes are, by their numbers. */
  readonly #places: number[] = [];
  /** The areas that were made of shared xattrs, by the place of the entry that leads to the object. */
  readonly #areas = new Map<number, number>();
  #entriesSeen = 0;

  constructor(memory: Buffer, size: number) {
    const image = new Extent(memory.subarray(0, size));
    image.claim(0, superblockOffset + 128);
    this.#superblock = readSuperblock(image);
    this.#bytes = memory;
    this.#size = size;
    this.#table = new PlainTable(memory, size);
  }

  read(): PlainTable {
    this.#inode(this.#superblock.rootNid * slotBytes, 0, 0, 0);
    for (let at = 0; at < this.#table.count; at++) if (this.#table.kinds[at] === plainKinds.folder) this.#folder(at);
    return this.#table;
  }

  /** Throws unless so many bytes lie in the image. */
  #claim(at: number, bytes: number): void {
    if (at + bytes > this.#size) invalid(at, `${bytes} bytes must be inside the image`);
  }

  #u16(at: number): number {
    return (this.#bytes[at] ?? 0) | ((this.#bytes[at + 1] ?? 0) << 8);
  }

  #u32(at: number): number {
    return this.#u16(at) + this.#u16(at + 2) * 0x1_0000;
  }

  #inode(at: number, name: number, nameSize: number, parent: number): void {
    this.#claim(at, compactInodeBytes);
    const format = this.#u16(at);
    const isLong = (format & 1) === 1;
    if (isLong) this.#claim(at, extendedInodeBytes);
    const seconds = this.#superblock.buildSec;
    const time = isLong ? this.#u32(at + 32) + (this.#u32(at + 36) | 0) * 2 ** 32 : seconds;
    const number = this.#table.add(this.#kindOf(at, format >> 1), name, nameSize, time);
    if (number > this.#size / slotBytes) invalid(at, "there must not be more entries than the image has room for");
    this.#places.push(at);
    const table = this.#table;
    if (table.kinds[number] === plainKinds.folder) {
      table.parents[number] = parent;
      table.folders[parent] = (table.folders[parent] ?? 0) + (number === 0 ? 0 : 1);
    } else if (table.kinds[number] !== plainKinds.stub) {
      table.sizes[number] = this.#sizeOf(at, isLong);
      table.executables[number] = (this.#u16(at + 4) & 0o111) === 0 ? 0 : 1;
      table.data[number] = this.#dataOf(at, isLong, format >> 1, table.sizes[number] ?? 0);
    }
  }

  #kindOf(at: number, layout: number): PlainKind {
    const type = this.#u16(at + 4) & typeBits;
    if (type === modeOf.directory) return plainKinds.folder;
    if (type === modeOf.symlink) return plainKinds.symlink;
    if (type === modeOf.character) return plainKinds.stub;
    if (type !== modeOf.external) invalid(at, "an inode must be a folder, a file or a symbolic link");
    return layout === layoutChunked ? plainKinds.file : plainKinds.inline;
  }

  #sizeOf(at: number, isLong: boolean): number {
    return this.#u32(at + 8) + (isLong ? this.#u32(at + 12) * 2 ** 32 : 0);
  }

  #xattrBytes(at: number): number {
    const count = this.#u16(at + 2);
    return count === 0 ? 0 : xattrHeaderBytes + 4 * (count - 1);
  }

  #dataOf(at: number, isLong: boolean, layout: number, size: number): number {
    const xattrs = at + (isLong ? extendedInodeBytes : compactInodeBytes);
    if (layout === layoutChunked) return this.#areaOf(xattrs, this.#xattrBytes(at));
    const place = layout === layoutInline ? xattrs + this.#xattrBytes(at) : this.#u32(at + 16) * blockBytes;
    if (size > blockBytes) invalid(at, `it must hold at most ${blockBytes} bytes`);
    if (size > 0) this.#claim(place, size);
    return place;
  }

  /** The area of an object; made where the inode only refers to its entries. */
  #areaOf(at: number, bytes: number): number {
    if (this.#bytes[at + 4] === 0 && bytes === objectXattrBytes) {
      this.#claim(at, bytes);
      return at;
    }
    if (this.#bytes[at + 4] !== 2) invalid(at, "the file must have the xattrs of an object");
    this.#claim(at, xattrHeaderBytes + 8);
    const { sharedBase } = this.#superblock;
    const seal = sharedBase + 4 * this.#u32(at + xattrHeaderBytes);
    const redirect = sharedBase + 4 * this.#u32(at + xattrHeaderBytes + 4);
    return this.#areas.get(redirect) ?? this.#makeArea(seal, redirect);
  }

  #makeArea(seal: number, redirect: number): number {
    this.#claim(seal, sealBytes);
    this.#claim(redirect, redirectBytes);
    const area = this.#table.addBytes(objectArea);
    const { bytes } = this.#table;
    bytes.copy(bytes, area + areaSealAt, seal, seal + sealBytes);
    bytes.copy(bytes, area + areaRedirectAt, redirect, redirect + redirectBytes);
    this.#areas.set(redirect, area);
    return area;
  }

  /** Reads the entries of a folder, block by block; the last ones are in its tail. */
  #folder(number: number): void {
    const at = this.#places[number] ?? 0;
    const format = this.#u16(at);
    const isLong = (format & 1) === 1;
    const size = this.#sizeOf(at, isLong);
    const inBlocks = format >> 1 === layoutInline ? size - (size % blockBytes) : size;
    const first = this.#u32(at + 16) * blockBytes;
    const tail = at + (isLong ? extendedInodeBytes : compactInodeBytes) + this.#xattrBytes(at);
    this.#claim(first, inBlocks);
    this.#claim(tail, size - inBlocks);
    this.#table.firsts[number] = this.#table.count;
    for (let done = 0; done < inBlocks; done += blockBytes) {
      this.#entries(number, first + done, first + Math.min(done + blockBytes, inBlocks));
    }
    if (size > inBlocks) this.#entries(number, tail, tail + size - inBlocks);
    this.#table.children[number] = this.#table.count - (this.#table.firsts[number] ?? 0);
  }

  #entries(folder: number, start: number, end: number): void {
    const count = this.#u16(start + 8) / direntBytes;
    this.#entriesSeen += count;
    if (!Number.isInteger(count) || count === 0 || start + count * direntBytes > end) {
      invalid(start, "the entries must be inside the folder");
    }
    if (this.#entriesSeen > this.#size / direntBytes) invalid(start, "folders must not share their entries");
    for (let entry = 0; entry < count; entry++) {
      const at = start + entry * direntBytes;
      const name = start + this.#u16(at + 8);
      let stop = entry + 1 < count ? start + this.#u16(at + direntBytes + 8) : end;
      if (name >= stop || stop > end) invalid(at, "the name must be inside the folder");
      // the last name of a block ends where zeros begin
      while (entry + 1 === count && stop > name + 1 && this.#bytes[stop - 1] === 0) stop--;
      if (!this.#isDots(name, stop - name)) this.#inode(this.#u32(at) * slotBytes, name, stop - name, folder);
    }
  }

  #isDots(name: number, size: number): boolean {
    return size <= 2 && this.#bytes[name] === 0x2e && (size === 1 || this.#bytes[name + 1] === 0x2e);
  }
}
