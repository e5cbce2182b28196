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
  layout.minTime = times[0] ?? 0;
  for (let at = 1; at < count; at++) layout.minTime = Math.min(layout.minTime, times[at] ?? 0);
  measureFolders(layout);
  let end = firstInodeOffset;
  for (let at = 0; at < count; at++) end = place(layout, at, end);
  layout.inodesEnd = roundUp(end, slotBytes);
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

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

/** Gives an inode its place, at `after` or behind it; returns where it ends. */
function place(layout: PlainLayout, at: number, after: number): number {
  const { table, minTime } = layout;
  const kind = table.kinds[at];
  const size = layout.sizeOf(at);
  if (kind === plainKinds.file) layout.tails[at] = 4 * Math.ceil(size / 2 ** chunkBits(size));
  else if (kind !== plainKinds.folder) layout.tails[at] = size;
  const tail = layout.tails[at] ?? 0;
  const isLong = table.times[at] !== minTime || size > 0xffff_ffff || (table.folders[at] ?? 0) + 2 > 0xffff;
  layout.extended[at] = isLong ? 1 : 0;
  const head = (isLong ? extendedInodeBytes : compactInodeBytes) + layout.xattrBytes(at);
  const position = roundUp(after, slotBytes);
  layout.positions[at] = position;
  if (kind === plainKinds.symlink) return placeLink(layout, at, position, head + tail);
  const rest = blockBytes - ((position + head) % blockBytes);
  if (rest < tail) layout.positions[at] = position + roundUp(rest, slotBytes);
  return (layout.positions[at] ?? 0) + head + tail;
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
  const { table } = layout;
  const entries = new PlainEntries(table);
  for (let folder = 0; folder < table.count; folder++) {
    if (table.kinds[folder] !== plainKinds.folder) continue;
    entries.read(folder);
    let blocks = 0;
    let used = 0;
    for (let at = 0; at < entries.count; at++) {
      const cost = direntBytes + entries.nameSize(at);
      if (used + cost > blockBytes) {
        blocks++;
        used = 0;
      }
      used += cost;
    }
    layout.blocks[folder] = blocks + (used > maxTailBytes ? 1 : 0);
    layout.tails[folder] = used > maxTailBytes ? 0 : used;
  }
}
