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
import { ownEntry, PlainEntries } from "./plain-entries.ts";
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

/**
 * Everything but names lies at multiples of four, so that numbers are written as whole words; those of the machine, as all
 * that Dowel runs on have the order of bytes that EROFS has.
 */
class PlainWriter {
  readonly #layout: PlainLayout;
  readonly #table: PlainTable;
  readonly #entries: PlainEntries;
  readonly #from: Uint8Array;
  readonly #fromWords: Uint32Array;
  readonly #out: Uint8Array;
  readonly #words: Uint32Array;

  constructor(layout: PlainLayout, memory: ArrayBuffer) {
    const { bytes } = layout.table;
    this.#layout = layout;
    this.#table = layout.table;
    this.#entries = new PlainEntries(layout.table);
    this.#from = bytes;
    this.#fromWords = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
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

  /** Copies whole words. */
  #copy(from: number, to: number, bytes: number): void {
    const [first, target] = [from >>> 2, to >>> 2];
    for (let at = 0; at < bytes >>> 2; at++) this.#words[target + at] = this.#fromWords[first + at] ?? 0;
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
    const layout = this.#layout;
    const table = this.#table;
    const at = layout.positions[number] ?? 0;
    const kind = table.kinds[number];
    const size = layout.sizeOf(number);
    const isLong = layout.extended[number] === 1;
    const tail = layout.tails[number] ?? 0;
    const xattrBytes = layout.xattrBytes(number);
    const count = xattrBytes === 0 ? 0 : (xattrBytes - xattrHeaderBytes) / 4 + 1;
    const how = kind === plainKinds.file ? layoutChunked : tail > 0 ? layoutInline : layoutPlain;
    const links = kind === plainKinds.folder ? 2 + (table.folders[number] ?? 0) : 1;
    const mode = modeOfInode(table, number);
    this.#put(at, (how << 1) | (isLong ? 1 : 0) | (count << 16));
    this.#put(at + 4, isLong ? mode : mode | (links << 16));
    this.#put(at + 8, size);
    // the first block, or the size of chunks
    this.#put(at + 16, kind === plainKinds.file ? chunkBits(size) - 12 : (layout.firstBlocks[number] ?? 0));
    this.#put(at + 20, number);
    if (isLong) {
      this.#put(at + 12, Math.floor(size / 2 ** 32));
      this.#putLong(at + 32, table.times[number] ?? 0);
      this.#put(at + 44, links);
    }
    const xattrs = at + (isLong ? extendedInodeBytes : compactInodeBytes);
    if (kind === plainKinds.file) this.#objectXattrs(number, xattrs);
    else if (xattrBytes > 0) this.#out.set(rootArea, xattrs);
    this.#content(number, xattrs + xattrBytes);
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

  #content(number: number, tailAt: number): void {
    const { kinds, data, sizes } = this.#table;
    const kind = kinds[number];
    if (kind === plainKinds.folder) this.#folder(number, tailAt);
    else if (kind === plainKinds.file) {
      // Every chunk has the null address: the content is elsewhere.
      const end = tailAt + (this.#layout.tails[number] ?? 0);
      for (let at = tailAt; at < end; at += 4) this.#put(at, 0xffff_ffff);
    } else if (kind !== plainKinds.stub) {
      const block = this.#layout.firstBlocks[number] ?? 0;
      this.#copyBytes(data[number] ?? 0, block > 0 ? block * blockBytes : tailAt, sizes[number] ?? 0);
    }
  }

  /** Entries go into blocks in their order, the last ones into the tail. */
  #folder(folder: number, tailAt: number): void {
    const entries = this.#entries;
    const blocks = this.#layout.blocks[folder] ?? 0;
    const firstBlock = this.#layout.firstBlocks[folder] ?? 0;
    entries.read(folder);
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
    const { names, parents } = this.#table;
    let nameAt = direntBytes * (end - first);
    for (let entry = first; entry < end; entry++) {
      const at = start + (entry - first) * direntBytes;
      const inode = this.#entries.inode(entry);
      const nameSize = this.#entries.nameSize(entry);
      const target = inode >= 0 ? inode : inode === ownEntry ? folder : (parents[folder] ?? 0);
      this.#putLong(at, (this.#layout.positions[target] ?? 0) / slotBytes);
      this.#put(at + 8, nameAt | (typeOf(this.#table, target) << 16));
      if (inode >= 0) this.#copyBytes(names[inode] ?? 0, start + nameAt, nameSize);
      else this.#out.fill(0x2e, start + nameAt, start + nameAt + nameSize);
      nameAt += nameSize;
    }
  }
}

function typeOf(table: PlainTable, at: number): number {
  return fileTypeOfMode[modeOfInode(table, at) >> 12] ?? 0;
}
