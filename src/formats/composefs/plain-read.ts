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
/** Of the superblock: how many inodes there are. */
const inodesAt = superblockOffset + 16;

/**
 * Reads the image of a plain tree as a table: without a look at what all such images have in common, so that only an
 * image that is written of the table, and compared, says whether this one was such. The image may be hostile: nothing
 * outside of it is read, and the work is bounded by its size. It is the first `size` bytes of memory that goes on in the
 * answer, at a multiple of four; what is behind is for what is added. Throws `COMPOSEFS_INVALID` with the offset.
 */
export function readPlain(memory: Uint8Array, size: number = memory.length): PlainTable {
  return new PlainReader(Buffer.from(memory.buffer, memory.byteOffset, memory.length), size).read();
}

/**
 * Everything but names lies at multiples of four, so that numbers are read as whole words, as `PlainWriter` writes them. It
 * runs once in most processes, mostly before the engine has compiled it: so it calls little.
 */
class PlainReader {
  readonly #bytes: Buffer;
  readonly #words: Uint32Array;
  readonly #size: number;
  readonly #superblock: Superblock;
  readonly #table: PlainTable;
  /** Where inodes are, by their numbers. */
  readonly #places: Uint32Array;
  /** The areas that were made of shared xattrs, by the place of the entry that leads to the object. */
  readonly #areas = new Map<number, number>();
  #entriesSeen = 0;

  constructor(memory: Buffer, size: number) {
    const image = new Extent(memory.subarray(0, size));
    image.claim(0, superblockOffset + 128);
    this.#superblock = readSuperblock(image);
    this.#bytes = memory;
    this.#words = new Uint32Array(memory.buffer, memory.byteOffset, memory.length >>> 2);
    this.#size = size;
    const most = Math.floor(size / slotBytes) + 2;
    const inodes = Math.min(image.u32(inodesAt) + 1, most);
    this.#table = new PlainTable(memory, size, inodes);
    this.#places = new Uint32Array(most);
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

  #inode(at: number, name: number, nameSize: number, parent: number): void {
    const [words, word] = [this.#words, at >>> 2];
    const format = words[word] ?? 0;
    const isLong = (format & 1) === 1;
    const head = isLong ? extendedInodeBytes : compactInodeBytes;
    if (at + head > this.#size) invalid(at, `${head} bytes must be inside the image`);
    const mode = words[word + 1] ?? 0;
    const layout = (format & 0xffff) >>> 1;
    const kind = kindOf(at, mode & typeBits, layout);
    const time = isLong ? (words[word + 8] ?? 0) + ((words[word + 9] ?? 0) | 0) * 2 ** 32 : this.#superblock.buildSec;
    const table = this.#table;
    const number = table.add(kind, name, nameSize, time);
    if (number > this.#size / slotBytes) invalid(at, "there must not be more entries than the image has room for");
    this.#places[number] = at;
    if (kind === plainKinds.folder) {
      table.parents[number] = parent;
      if (number > 0) table.folders[parent] = (table.folders[parent] ?? 0) + 1;
    } else if (kind !== plainKinds.stub) {
      const size = (words[word + 2] ?? 0) + (isLong ? (words[word + 3] ?? 0) * 2 ** 32 : 0);
      table.sizes[number] = size;
      table.executables[number] = (mode & 0o111) === 0 ? 0 : 1;
      const xattrs = format >>> 16 === 0 ? 0 : xattrHeaderBytes + 4 * ((format >>> 16) - 1);
      if (layout === layoutChunked) table.data[number] = this.#areaOf(at + head, xattrs);
      else {
        const place = layout === layoutInline ? at + head + xattrs : (words[word + 4] ?? 0) * blockBytes;
        if (size > blockBytes) invalid(at, `it must hold at most ${blockBytes} bytes`);
        if (size > 0) this.#claim(place, size);
        table.data[number] = place;
      }
    }
  }

  /** The area of an object; made where the inode only refers to its entries. */
  #areaOf(at: number, bytes: number): number {
    const words = this.#words;
    const references = (words[(at >>> 2) + 1] ?? 0) & 0xff;
    if (references === 0 && bytes === objectXattrBytes) {
      this.#claim(at, bytes);
      return at;
    }
    if (references !== 2) invalid(at, "the file must have the xattrs of an object");
    this.#claim(at, xattrHeaderBytes + 8);
    const first = (at + xattrHeaderBytes) >>> 2;
    const { sharedBase } = this.#superblock;
    const redirect = sharedBase + 4 * (words[first + 1] ?? 0);
    return this.#areas.get(redirect) ?? this.#makeArea(sharedBase + 4 * (words[first] ?? 0), redirect);
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
    const word = at >>> 2;
    const format = this.#words[word] ?? 0;
    const isLong = (format & 1) === 1;
    const size = (this.#words[word + 2] ?? 0) + (isLong ? (this.#words[word + 3] ?? 0) * 2 ** 32 : 0);
    const inBlocks = (format & 0xffff) >>> 1 === layoutInline ? size - (size % blockBytes) : size;
    const first = (this.#words[word + 4] ?? 0) * blockBytes;
    const xattrs = format >>> 16 === 0 ? 0 : xattrHeaderBytes + 4 * ((format >>> 16) - 1);
    const tail = at + (isLong ? extendedInodeBytes : compactInodeBytes) + xattrs;
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
    const [words, bytes] = [this.#words, this.#bytes];
    const count = ((words[(start >>> 2) + 2] ?? 0) & 0xffff) / direntBytes;
    this.#entriesSeen += count;
    if (!Number.isInteger(count) || count === 0 || start + count * direntBytes > end) {
      invalid(start, "the entries must be inside the folder");
    }
    if (this.#entriesSeen > this.#size / direntBytes) invalid(start, "folders must not share their entries");
    let name = start + count * direntBytes;
    for (let entry = 1, word = start >>> 2; entry <= count; entry++, word += direntBytes / 4) {
      let stop = entry < count ? start + ((words[word + 5] ?? 0) & 0xffff) : end;
      if (name >= stop || stop > end) invalid(4 * word, "the name must be inside the folder");
      const next = stop;
      // the last name of a block ends where zeros begin
      while (entry === count && stop > name + 1 && bytes[stop - 1] === 0) stop--;
      const size = stop - name;
      const isDots = bytes[name] === 0x2e && (size === 1 || (size === 2 && bytes[name + 1] === 0x2e));
      if (!isDots) this.#inode((words[word] ?? 0) * slotBytes, name, size, folder);
      name = next;
    }
  }
}

function kindOf(at: number, type: number, layout: number): PlainKind {
  if (type === modeOf.external) return layout === layoutChunked ? plainKinds.file : plainKinds.inline;
  if (type === modeOf.directory) return plainKinds.folder;
  if (type === modeOf.symlink) return plainKinds.symlink;
  if (type !== modeOf.character) invalid(at, "an inode must be a folder, a file or a symbolic link");
  return plainKinds.stub;
}
