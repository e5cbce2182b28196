// SPDX-License-Identifier: Apache-2.0

import type { ByteString } from "./bytestring.ts";
import {
  blockBytes,
  compactInodeBytes,
  direntBytes,
  extendedInodeBytes,
  firstInodeOffset,
  layoutChunked,
  layoutInline,
  layoutPlain,
  maxSharedXattrs,
  maxTailBytes,
  slotBytes,
  xattrHeaderBytes,
} from "./constants.ts";
import type { Node, XattrPair } from "./node.ts";
import { isAcl } from "./xattr-names.ts";

/** A whole image worked out: what goes where, before a byte is written. */
export interface Layout {
  readonly root: Node;
  /** Breadth first, which is the order of inode numbers. */
  readonly nodes: readonly Node[];
  /** In the order of the shared table. */
  readonly shared: readonly XattrPair[];
  readonly minSec: number;
  readonly minNsec: number;
  readonly inodesEnd: number;
  readonly dataStart: number;
  readonly totalBytes: number;
  readonly hasAcl: boolean;
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

export function layOut(root: Node, pairs: readonly XattrPair[]): Layout {
  const nodes = breadthFirst(root);
  const { minSec, minNsec } = smallestTime(nodes);
  const shared = pairs.filter((pair) => pair.uses > 1).sort(descending);
  let sharedBytes = 0;
  for (const pair of shared) {
    pair.sharedOffset = sharedBytes;
    sharedBytes += pair.bytes;
  }
  let position = firstInodeOffset;
  for (const node of nodes) {
    measure(node);
    const { source } = node;
    const plain = source.mtimeSec === minSec && source.mtimeNsec === minNsec && node.size <= 0xffff_ffff;
    node.extended = !(plain && source.uid <= 0xffff && source.gid <= 0xffff && linkCount(node) <= 0xffff);
    position = place(node, position);
  }
  const inodesEnd = roundUp(position, slotBytes);
  const dataStart = roundUp(inodesEnd + sharedBytes, blockBytes);
  let block = dataStart / blockBytes;
  for (const node of nodes) {
    if (node.blocks === 0) continue;
    node.firstBlock = block;
    block += node.blocks;
  }
  const hasAcl = pairs.some((pair) => isAcl(pair.name.key));
  return { root, nodes, shared, minSec, minNsec, inodesEnd, dataStart, totalBytes: block * blockBytes, hasAcl };
}

export function linkCount(node: Node): number {
  return node.source.kind === "directory" ? 2 + node.childFolders : node.source.nlink;
}

function breadthFirst(root: Node): readonly Node[] {
  const nodes = [root];
  // The array grows while it is walked.
  for (const node of nodes) {
    for (const entry of node.entries) {
      if (entry.alias) continue;
      entry.node.ino = nodes.length;
      nodes.push(entry.node);
    }
  }
  return nodes;
}

function smallestTime(nodes: readonly Node[]): { minSec: number; minNsec: number } {
  let minSec = Number.POSITIVE_INFINITY;
  let minNsec = 0;
  for (const { source } of nodes) {
    if (source.mtimeSec > minSec || (source.mtimeSec === minSec && source.mtimeNsec >= minNsec)) continue;
    minSec = source.mtimeSec;
    minNsec = source.mtimeNsec;
  }
  return { minSec, minNsec };
}

/** The order of the shared table: by name, then length of the value, then value, each downwards. */
function descending(left: XattrPair, right: XattrPair): number {
  if (left.name !== right.name) return left.name.key > right.name.key ? -1 : 1;
  if (left.value.length !== right.value.length) return right.value.length - left.value.length;
  return left.value > right.value ? -1 : 1;
}

/** Works out size, layout, blocks and tail of an inode. */
function measure(node: Node): void {
  node.xattrBytes = xattrAreaBytes(node.xattrs);
  const { source } = node;
  switch (source.kind) {
    case "directory":
      measureDirectory(node);
      break;
    case "inline": {
      node.size = source.content.length;
      const rest = node.size % blockBytes;
      node.blocks = Math.floor(node.size / blockBytes) + (rest > maxTailBytes ? 1 : 0);
      node.tail = rest > maxTailBytes ? 0 : rest;
      break;
    }
    case "external":
      node.size = source.size;
      node.tail = 4 * Math.ceil(node.size / 2 ** chunkBits(node.size));
      break;
    case "symlink":
      node.size = source.target.length;
      node.tail = node.size;
      break;
  }
}

/** Bytes of the xattrs of an inode: a header, references into the shared table, entries. */
function xattrAreaBytes(xattrs: readonly XattrPair[]): number {
  if (xattrs.length === 0) return 0;
  let bytes = xattrHeaderBytes;
  let references = 0;
  for (const pair of xattrs) {
    const byReference = pair.sharedOffset >= 0 && references < maxSharedXattrs;
    if (byReference) references++;
    bytes += byReference ? 4 : pair.bytes;
  }
  return bytes;
}

/** log2 of the chunk size of an object: the smallest that makes one chunk of it, within what EROFS allows. */
export function chunkBits(size: number): number {
  // what is below 2 GiB needs no loop
  let bits = size <= 4096 ? 12 : size <= 0x8000_0000 ? 32 - Math.clz32(size - 1) : 32;
  while (bits < 43 && 2 ** bits < size) bits++;
  return bits;
}

function measureDirectory(node: Node): void {
  const { groups, last } = packEntries(node.entries, (entry) => entry.name);
  node.groups = groups;
  node.blocks = groups.length - 1 + (last > maxTailBytes ? 1 : 0);
  node.tail = last > maxTailBytes ? 0 : last;
  node.size = node.blocks * blockBytes + node.tail;
}

/** Puts entries into as few blocks as their order allows; `last` is how many bytes the last one has. */
function packEntries<T>(entries: Iterable<T>, nameOf: (entry: T) => ByteString): { groups: T[][]; last: number } {
  const groups: T[][] = [];
  let group: T[] = [];
  let used = 0;
  for (const entry of entries) {
    const cost = direntBytes + nameOf(entry).length;
    if (used + cost > blockBytes) {
      groups.push(group);
      group = [];
      used = 0;
    }
    group.push(entry);
    used += cost;
  }
  return { groups: [...groups, group], last: used };
}

/** The size of a folder with these names and the two that every folder has. */
export function directoryBytes(names: Iterable<ByteString>): number {
  const { groups, last } = packEntries([...new Set([".", "..", ...names])].sort(), (name) => name);
  return (groups.length - 1) * blockBytes + (last > maxTailBytes ? blockBytes : last);
}

/** Gives an inode its place, at `after` or behind it; returns where it ends. */
function place(node: Node, after: number): number {
  const head = (node.extended ? extendedInodeBytes : compactInodeBytes) + node.xattrBytes;
  let position = roundUp(after, slotBytes);
  if (node.source.kind === "symlink") {
    const whole = head + node.tail;
    if (whole >= blockBytes) {
      node.blocks = 1;
      node.tail = 0;
    }
    const last = position + whole - 1;
    if (Math.floor(position / blockBytes) !== Math.floor(last / blockBytes)) position = roundUp(position, blockBytes);
  } else {
    // The tail must not cross a block: where it would, the inode moves so that the tail begins the next one.
    const rest = blockBytes - ((position + head) % blockBytes);
    if (rest < node.tail) position += roundUp(rest, slotBytes);
  }
  node.position = position;
  if (node.source.kind === "external") node.layout = layoutChunked;
  else node.layout = node.tail > 0 ? layoutInline : layoutPlain;
  return position + head + node.tail;
}
