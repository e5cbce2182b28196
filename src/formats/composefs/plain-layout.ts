// SPDX-License-Identifier: Apache-2.0
import {
  blockBytes,
  compactInodeBytes,
  direntBytes,
  extendedInodeBytes,
  firstInodeOffset,
  maxTailBytes,
  slotBytes,
} from "./constants.ts";
import { chunkBits } from "./layout.ts";
import { PlainEntries } from "./plain-entries.ts";
import { countUses } from "./plain-shared.ts";
import { type PlainTable, plainKinds } from "./plain-table.ts";
import { folderXattrBytes, objectXattrBytes, redirectBytes, sealBytes, sharedXattrBytes } from "./plain-xattrs.ts";

/** Where everything goes: a number for each inode. */
export class PlainLayout {
  readonly table: PlainTable;
  readonly positions: Uint32Array;
  /** 1: the inode is one of the long kind. */
  readonly extended: Uint8Array;
  /** Blocks of its own, and the first of them. */
  readonly blocks: Uint32Array;
  readonly firstBlocks: Uint32Array;
  /** Bytes behind the inode and its xattrs. */
  readonly tails: Uint32Array;
  /** The number of its shared xattrs; -1 where it has none. */
  readonly shared: Int32Array;
  /** For each number of shared xattrs the first inode that has them. */
  readonly owners: readonly number[];
  /** The first file with the object of a digest (64 hexadecimal digits). */
  readonly find: (digest: string) => number | undefined;
  minTime = 0;
  inodesEnd = 0;
  totalBytes = 0;

  constructor(table: PlainTable) {
    const { count } = table;
    this.table = table;
    this.positions = new Uint32Array(count);
    this.extended = new Uint8Array(count);
    this.blocks = new Uint32Array(count);
    this.firstBlocks = new Uint32Array(count);
    this.tails = new Uint32Array(count);
    const { shared, owners, find } = countUses(table);
    this.shared = shared;
    this.owners = owners;
    this.find = find;
  }

  /** Bytes of a folder's blocks and of its tail, or of what else there is. */
  sizeOf(at: number): number {
    if (this.table.kinds[at] !== plainKinds.folder) return this.table.sizes[at] ?? 0;
    return (this.blocks[at] ?? 0) * blockBytes + (this.tails[at] ?? 0);
  }

  xattrBytes(at: number): number {
    if (this.table.kinds[at] === plainKinds.file)
      return (this.shared[at] ?? -1) < 0 ? objectXattrBytes : sharedXattrBytes;
    return at === 0 ? folderXattrBytes : 0;
  }
}

/** Works out what goes where. */
export function layOutPlain(table: PlainTable): PlainLayout {
  const layout = new PlainLayout(table);
  const { count, times } = table;
  let minTime = times[0] ?? 0;
  for (let at = 1; at < count; at++) {
    const time = times[at] ?? 0;
    if (time < minTime) minTime = time;
  }
  layout.minTime = minTime;
  measureFolders(layout);
  layout.inodesEnd = roundUp(placeInodes(layout), slotBytes);
  const sharedBytes = layout.owners.length * (redirectBytes + sealBytes);
  let block = roundUp(layout.inodesEnd + sharedBytes, blockBytes) / blockBytes;
  for (let at = 0; at < count; at++) {
    const blocks = layout.blocks[at] ?? 0;
    if (blocks === 0) continue;
    layout.firstBlocks[at] = block;
    block += blocks;
  }
  layout.totalBytes = block * blockBytes;
  return layout;
}

/** `unit`: a power of two. */
function roundUp(value: number, unit: number): number {
  return value + (-value & (unit - 1));
}

/** Gives each inode its place; returns where the last ends. */
function placeInodes(layout: PlainLayout): number {
  const { table, minTime, tails, extended, positions, shared } = layout;
  const { kinds, sizes, times, folders, count } = table;
  let end = firstInodeOffset;
  for (let at = 0; at < count; at++) {
    const kind = kinds[at];
    const isFolder = kind === plainKinds.folder;
    const size = isFolder ? layout.sizeOf(at) : (sizes[at] ?? 0);
    const isLong = times[at] !== minTime || size > 0xffff_ffff || (isFolder && (folders[at] ?? 0) + 2 > 0xffff);
    let tail = size;
    let xattrs = at === 0 ? folderXattrBytes : 0;
    if (isFolder) tail = tails[at] ?? 0;
    else if (kind === plainKinds.file) {
      tail = 4 * Math.ceil(size / 2 ** chunkBits(size));
      xattrs = (shared[at] ?? -1) < 0 ? objectXattrBytes : sharedXattrBytes;
    }
    tails[at] = tail;
    extended[at] = isLong ? 1 : 0;
    const head = (isLong ? extendedInodeBytes : compactInodeBytes) + xattrs;
    let position = end + (-end & (slotBytes - 1));
    if (kind === plainKinds.symlink) {
      positions[at] = position;
      end = placeLink(layout, at, position, head + tail);
      continue;
    }
    const rest = blockBytes - ((position + head) & (blockBytes - 1));
    if (rest < tail) position += roundUp(rest, slotBytes);
    positions[at] = position;
    end = position + head + tail;
  }
  return end;
}

/** A symbolic link lies within one block, or its target has one of its own. */
function placeLink(layout: PlainLayout, at: number, position: number, whole: number): number {
  let tail = layout.tails[at] ?? 0;
  const head = whole - tail;
  if (whole >= blockBytes) {
    layout.blocks[at] = 1;
    layout.tails[at] = tail = 0;
  }
  const last = position + whole - 1;
  if (Math.floor(position / blockBytes) !== Math.floor(last / blockBytes)) {
    layout.positions[at] = roundUp(position, blockBytes);
  }
  return (layout.positions[at] ?? 0) + head + tail;
}

/** Works out how many blocks the entries of folders take, with the two that every folder has. */
function measureFolders(layout: PlainLayout): void {
  const { table, blocks, tails } = layout;
  const { kinds, firsts, children, nameSizes, count } = table;
  const entries = new PlainEntries(table);
  for (let folder = 0; folder < count; folder++) {
    if (kinds[folder] !== plainKinds.folder) continue;
    const first = firsts[folder] ?? 0;
    const end = first + (children[folder] ?? 0);
    let used = 2 * direntBytes + 3;
    for (let child = first; child < end; child++) used += direntBytes + (nameSizes[child] ?? 0);
    if (used > blockBytes) used = fillBlocks(layout, entries, folder);
    if (used > maxTailBytes) blocks[folder] = (blocks[folder] ?? 0) + 1;
    else tails[folder] = used;
  }
}

/** Counts the blocks that the entries of a folder fill, in their order; returns the bytes of the last ones. */
function fillBlocks({ blocks }: PlainLayout, entries: PlainEntries, folder: number): number {
  entries.read(folder);
  let full = 0;
  let used = 0;
  for (let at = 0; at < entries.count; at++) {
    const cost = direntBytes + entries.nameSize(at);
    if (used + cost > blockBytes) {
      full++;
      used = 0;
    }
    used += cost;
  }
  blocks[folder] = full;
  return used;
}
