// SPDX-License-Identifier: Apache-2.0
import {
  blockBytes,
  compactInodeBytes,
  direntBytes,
  extendedInodeBytes,
  featureCompat,
  fileTypeOfMode,
  headerMagic,
  layoutChunked,
  layoutInline,
  layoutPlain,
  modeOf,
  slotBytes,
  superblockMagic,
  superblockOffset,
  xattrHeaderBytes,
} from "./constants.ts";
import { chunkBits } from "./layout.ts";
import { ownEntry, PlainEntries, parentEntry } from "./plain-entries.ts";
import type { PlainLayout } from "./plain-layout.ts";
import { type PlainTable, plainKinds } from "./plain-table.ts";
import {
  areaRedirectAt,
  areaSealAt,
  objectXattrBytes,
  redirectBytes,
  rootArea,
  sealBytes,
  sharedWords,
} from "./plain-xattrs.ts";

/** The image of a plain tree that is laid out. */
export function writePlain(layout: PlainLayout): Uint8Array {
  const memory = new ArrayBuffer(layout.totalBytes);
  const writer = new PlainWriter(layout, memory);
  writer.header();
  for (let at = 0; at < layout.table.count; at++) writer.inode(at);
  writer.sharedXattrs();
  return new Uint8Array(memory);
}

/** Type and permission bits. */
function modeOfInode({ kinds, executables }: PlainTable, at: number): number {
  const kind = kinds[at];
  if (kind === plainKinds.folder) return modeOf.directory | 0o755;
  if (kind === plainKinds.symlink) return modeOf.symlink | 0o777;
  if (kind === plainKinds.stub) return modeOf.character | 0o644;
  return modeOf.external | (executables[at] === 1 ? 0o755 : 0o644);
}

/** EROFS's types of entries, by the kinds of inodes. */
const typeOfKind = [modeOf.directory, modeOf.external, modeOf.external, modeOf.symlink, modeOf.character].map(
  (mode) => fileTypeOfMode[mode >> 12] ?? 0,
);

/**
 * Everything but names lies at multiples of four, so that numbers are written as whole words; those of the machine, as all
 * that Dowel runs on have the order of bytes that EROFS has.
 */
class PlainWriter {
  readonly #layout: PlainLayout;
  readonly #table: PlainTable;
  readonly #entries: PlainEntries;
  readonly #from: Buffer;
  readonly #out: Uint8Array;
  readonly #words: Uint32Array;

  constructor(layout: PlainLayout, memory: ArrayBuffer) {
    const { bytes } = layout.table;
    this.#layout = layout;
    this.#table = layout.table;
    this.#entries = new PlainEntries(layout.table);
    this.#from = bytes;
    this.#out = new Uint8Array(memory);
    this.#words = new Uint32Array(memory);
  }

  #put(at: number, value: number): void {
    this.#words[at >>> 2] = value;
  }

  #putLong(at: number, value: number): void {
    this.#put(at, value);
    this.#put(at + 4, Math.floor(value / 2 ** 32));
  }

  #copy(from: number, to: number, bytes: number): void {
    this.#from.copy(this.#out, to, from, from + bytes);
  }

  /** Copies what is mostly short, for which a call of the engine's own code costs more than the bytes do. */
  #copyBytes(from: number, to: number, bytes: number): void {
    for (let at = 0; at < bytes; at++) this.#out[to + at] = this.#from[from + at] ?? 0;
  }

  header(): void {
    const { positions, minTime, inodesEnd, totalBytes } = this.#layout;
    this.#put(0, headerMagic);
    this.#put(4, 1);
    this.#put(12, 1);
    this.#put(superblockOffset, superblockMagic);
    this.#put(superblockOffset + 8, featureCompat);
    this.#put(superblockOffset + 12, 12 | (((positions[0] ?? 0) / slotBytes) << 16));
    this.#putLong(superblockOffset + 16, this.#table.count);
    this.#putLong(superblockOffset + 24, minTime);
    this.#put(superblockOffset + 36, totalBytes / blockBytes);
    this.#put(superblockOffset + 44, Math.floor(inodesEnd / blockBytes));
  }

  inode(number: number): void {
    const [layout, table, words] = [this.#layout, this.#table, this.#words];
    const at = layout.positions[number] ?? 0;
    const word = at >>> 2;
    const kind = table.kinds[number];
    const isFolder = kind === plainKinds.folder;
    const isFile = kind === plainKinds.file;
    const size = isFolder ? layout.sizeOf(number) : (table.sizes[number] ?? 0);
    const isLong = layout.extended[number] === 1;
    const tail = layout.tails[number] ?? 0;
    const xattrBytes = layout.xattrBytes(number);
    const count = xattrBytes === 0 ? 0 : (xattrBytes - xattrHeaderBytes) / 4 + 1;
    const how = isFile ? layoutChunked : tail > 0 ? layoutInline : layoutPlain;
    const links = isFolder ? 2 + (table.folders[number] ?? 0) : 1;
    const mode = modeOfInode(table, number);
    words[word] = (how << 1) | (isLong ? 1 : 0) | (count << 16);
    words[word + 1] = isLong ? mode : mode | (links << 16);
    words[word + 2] = size;
    // the first block, or the size of chunks
    words[word + 4] = isFile ? chunkBits(size) - 12 : (layout.firstBlocks[number] ?? 0);
    words[word + 5] = number;
    if (isLong) {
      words[word + 3] = Math.floor(size / 2 ** 32);
      this.#putLong(at + 32, table.times[number] ?? 0);
      words[word + 11] = links;
    }
    const xattrs = at + (isLong ? extendedInodeBytes : compactInodeBytes);
    if (isFile) {
      this.#objectXattrs(number, xattrs);
      // Every chunk has the null address: the content is elsewhere.
      words.fill(0xffff_ffff, (xattrs + xattrBytes) >>> 2, (xattrs + xattrBytes + tail) >>> 2);
      return;
    }
    if (xattrBytes > 0) this.#out.set(rootArea, xattrs);
    if (isFolder) this.#folder(number, xattrs + xattrBytes);
    else if (kind !== plainKinds.stub) {
      const block = layout.firstBlocks[number] ?? 0;
      this.#copyBytes(table.data[number] ?? 0, block > 0 ? block * blockBytes : xattrs + xattrBytes, size);
    }
  }

  #objectXattrs(number: number, at: number): void {
    const { shared, owners, inodesEnd } = this.#layout;
    const place = shared[number] ?? -1;
    if (place < 0) {
      this.#copy(this.#table.data[number] ?? 0, at, objectXattrBytes);
      return;
    }
    const start = inodesEnd % blockBytes;
    const sealAt = start + owners.length * redirectBytes + place * sealBytes;
    for (const [word, value] of sharedWords.entries()) this.#put(at + 4 * word, value);
    this.#put(at + xattrHeaderBytes, sealAt / 4);
    this.#put(at + xattrHeaderBytes + 4, (start + place * redirectBytes) / 4);
  }

  sharedXattrs(): void {
    const { owners, inodesEnd } = this.#layout;
    const seals = inodesEnd + owners.length * redirectBytes;
    for (const [place, owner] of owners.entries()) {
      const area = this.#table.data[owner] ?? 0;
      this.#copy(area + areaRedirectAt, inodesEnd + place * redirectBytes, redirectBytes);
      this.#copy(area + areaSealAt, seals + place * sealBytes, sealBytes);
    }
  }

  /** Entries go into blocks in their order, the last ones into the tail. */
  #folder(folder: number, tailAt: number): void {
    const entries = this.#entries;
    const blocks = this.#layout.blocks[folder] ?? 0;
    const firstBlock = this.#layout.firstBlocks[folder] ?? 0;
    entries.read(folder);
    if (blocks === 0) {
      this.#entryBlock(folder, 0, entries.count, tailAt);
      return;
    }
    let first = 0;
    let used = 0;
    let block = 0;
    for (let at = 0; at <= entries.count; at++) {
      const cost = at === entries.count ? blockBytes : direntBytes + entries.nameSize(at);
      if (used + cost > blockBytes) {
        this.#entryBlock(folder, first, at, block < blocks ? (firstBlock + block) * blockBytes : tailAt);
        block++;
        first = at;
        used = 0;
      }
      used += cost;
    }
  }

  /** In each block the names follow all entries. */
  #entryBlock(folder: number, first: number, end: number, start: number): void {
    const [words, out, from] = [this.#words, this.#out, this.#from];
    const { names, nameSizes, parents, kinds } = this.#table;
    const { positions } = this.#layout;
    const { inodes } = this.#entries;
    let nameAt = start + direntBytes * (end - first);
    let word = start >>> 2;
    for (let entry = first; entry < end; entry++, word += direntBytes / 4) {
      const inode = inodes[entry] ?? ownEntry;
      const target = inode >= 0 ? inode : inode === ownEntry ? folder : (parents[folder] ?? 0);
      words[word] = (positions[target] ?? 0) / slotBytes;
      words[word + 2] = (nameAt - start) | ((typeOfKind[kinds[target] ?? 0] ?? 0) << 16);
      if (inode >= 0) {
        const name = names[inode] ?? 0;
        const size = nameSizes[inode] ?? 0;
        // mostly short, so that a call of the engine's own code costs more than the bytes do
        for (let at = 0; at < size; at++) out[nameAt + at] = from[name + at] ?? 0;
        nameAt += size;
      } else for (let dots = inode - parentEntry + 2; dots > 0; dots--) out[nameAt++] = 0x2e;
    }
  }
}
