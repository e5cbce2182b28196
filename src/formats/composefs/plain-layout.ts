// SPDX-License-Identifier: Apache-2.0
import type { ByteString } from "./bytestring.ts";
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
import { folderXattrBytes, objectXattrBytes, redirectBytes, sealBytes, sharedXattrBytes } from "./plain-xattrs.ts";

type PlainKind = "folder" | "file" | "inline" | "symlink" | "stub";

/** An inode of a plain tree, and its place in the image. */
export class PlainInode {
  readonly kind: PlainKind;
  readonly name: ByteString;
  /** Type and permission bits. */
  readonly mode: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  /** Of a folder: all blocks and the tail. */
  size: number;
  /** The digest (hex) of a file's object, or the target of a symlink. */
  readonly text: string;
  /** Of an inline file. */
  readonly content: Uint8Array | undefined;
  /** Of a folder: its number of the folder above, where its children begin, how many, and how many are folders. */
  parent = 0;
  first = 0;
  count = 0;
  folders = 0;
  position = 0;
  extended = false;
  xattrBytes = 0;
  blocks = 0;
  tail = 0;
  firstBlock = 0;

  constructor(
    kind: PlainKind,
    name: ByteString,
    mode: number,
    mtime: number,
    size: number,
    text: string,
    content?: Uint8Array,
  ) {
    this.kind = kind;
    this.name = name;
    this.mode = mode;
    this.mtime = mtime;
    this.size = size;
    this.text = text;
    this.content = content;
  }
}

/** Where everything goes. */
export interface PlainLayout {
  readonly inodes: readonly PlainInode[];
  /** The digests that several files have, in the order of the shared xattrs, with their place in it. */
  readonly shared: ReadonlyMap<string, number>;
  readonly minTime: number;
  readonly inodesEnd: number;
  readonly totalBytes: number;
}

/** Works out what goes where, of inodes in the order of their numbers; `uses`: how many files have an object. */
export function layOutPlain(inodes: readonly PlainInode[], uses: ReadonlyMap<string, number>): PlainLayout {
  const digests = [...uses].flatMap(([digest, uses]) => (uses > 1 ? [digest] : []));
  const shared = new Map(
    digests
      .sort()
      .reverse()
      .map((digest, at) => [digest, at]),
  );
  let minTime = inodes[0]?.mtime ?? 0;
  for (const { mtime } of inodes) if (mtime < minTime) minTime = mtime;
  let end = firstInodeOffset;
  for (const [at, inode] of inodes.entries()) end = place(inode, end, at === 0, minTime, inodes, shared);
  const inodesEnd = roundUp(end, slotBytes);
  let block = roundUp(inodesEnd + shared.size * (redirectBytes + sealBytes), blockBytes) / blockBytes;
  for (const inode of inodes) {
    if (inode.blocks === 0) continue;
    inode.firstBlock = block;
    block += inode.blocks;
  }
  return { inodes, shared, minTime, inodesEnd, totalBytes: block * blockBytes };
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

/** Gives an inode its place, at `after` or behind it; returns where it ends. */
function place(
  inode: PlainInode,
  after: number,
  isRoot: boolean,
  minTime: number,
  inodes: readonly PlainInode[],
  shared: ReadonlyMap<string, number>,
): number {
  const { kind } = inode;
  if (kind === "folder") measureFolder(inode, inodes);
  else if (kind === "file") inode.tail = 4 * Math.ceil(inode.size / 2 ** chunkBits(inode.size));
  else inode.tail = inode.size;
  if (kind === "file") inode.xattrBytes = shared.has(inode.text) ? sharedXattrBytes : objectXattrBytes;
  else if (isRoot) inode.xattrBytes = folderXattrBytes;
  inode.extended = inode.mtime !== minTime || inode.size > 0xffff_ffff || inode.folders + 2 > 0xffff;
  const head = (inode.extended ? extendedInodeBytes : compactInodeBytes) + inode.xattrBytes;
  let position = roundUp(after, slotBytes);
  if (kind === "symlink") {
    const whole = head + inode.tail;
    if (whole >= blockBytes) {
      inode.blocks = 1;
      inode.tail = 0;
    }
    const last = position + whole - 1;
    if (Math.floor(position / blockBytes) !== Math.floor(last / blockBytes)) position = roundUp(position, blockBytes);
  } else {
    const rest = blockBytes - ((position + head) % blockBytes);
    if (rest < inode.tail) position += roundUp(rest, slotBytes);
  }
  inode.position = position;
  return position + head + inode.tail;
}

/** Works out how many blocks the entries of a folder take, with the two that every folder has. */
function measureFolder(inode: PlainInode, inodes: readonly PlainInode[]): void {
  let blocks = 0;
  let used = 0;
  for (const child of entriesOf(inode, inodes)) {
    const cost = direntBytes + entryName(child, inodes).length;
    if (used + cost > blockBytes) {
      blocks++;
      used = 0;
    }
    used += cost;
  }
  inode.blocks = blocks + (used > maxTailBytes ? 1 : 0);
  inode.tail = used > maxTailBytes ? 0 : used;
  inode.size = inode.blocks * blockBytes + inode.tail;
}

const dotNames = ["..", "."] as const;

/** The numbers of what is in a folder, in the byte order of the names; -1 and -2 stand for `.` and `..`. */
export function entriesOf({ first, count }: PlainInode, inodes: readonly PlainInode[]): readonly number[] {
  const entries: number[] = [];
  let dots = 0;
  for (let child = first; child < first + count; child++) {
    while (dots > -2 && (inodes[child]?.name ?? "") > (dots === 0 ? "." : "..")) entries.push(--dots);
    entries.push(child);
  }
  while (dots > -2) entries.push(--dots);
  return entries;
}

/** The name of one of `entriesOf`. */
export function entryName(entry: number, inodes: readonly PlainInode[]): ByteString {
  return (entry < 0 ? dotNames[entry + 2] : inodes[entry]?.name) ?? "";
}
