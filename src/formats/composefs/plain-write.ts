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
  slotBytes,
  superblockMagic,
  superblockOffset,
  xattrHeaderBytes,
} from "./constants.ts";
import { chunkBits } from "./layout.ts";
import { entriesOf, entryName, type PlainInode, type PlainLayout } from "./plain-layout.ts";
import {
  putObjectXattrs,
  putRootXattrs,
  putSharedEntries,
  putSharedXattrs,
  redirectBytes,
  sealBytes,
} from "./plain-xattrs.ts";

/** The image of a plain tree that is laid out. */
export function writePlain(layout: PlainLayout): Uint8Array {
  const memory = new ArrayBuffer(layout.totalBytes);
  const writer = new PlainWriter(layout, memory);
  writer.header();
  for (let at = 0; at < layout.inodes.length; at++) writer.inode(at);
  writer.sharedXattrs();
  return new Uint8Array(memory);
}

/**
 * Everything lies at multiples of four, so that numbers are written as whole words; those of the machine, as all that
 * Dowel runs on have the order of bytes that EROFS has.
 */
class PlainWriter {
  readonly #layout: PlainLayout;
  readonly #out: Buffer;
  readonly #words: Uint32Array;

  constructor(layout: PlainLayout, memory: ArrayBuffer) {
    this.#layout = layout;
    this.#out = Buffer.from(memory);
    this.#words = new Uint32Array(memory);
  }

  #put(at: number, value: number): void {
    this.#words[at >>> 2] = value;
  }

  #putLong(at: number, value: number): void {
    this.#put(at, value);
    this.#put(at + 4, Math.floor(value / 2 ** 32));
  }

  header(): void {
    const { inodes, minTime, inodesEnd, totalBytes } = this.#layout;
    this.#put(0, headerMagic);
    this.#put(4, 1);
    this.#put(12, 1);
    this.#put(superblockOffset, superblockMagic);
    this.#put(superblockOffset + 8, featureCompat);
    this.#put(superblockOffset + 12, 12 | (((inodes[0]?.position ?? 0) / slotBytes) << 16));
    this.#putLong(superblockOffset + 16, inodes.length);
    this.#putLong(superblockOffset + 24, minTime);
    this.#put(superblockOffset + 36, totalBytes / blockBytes);
    this.#put(superblockOffset + 44, Math.floor(inodesEnd / blockBytes));
  }

  inode(number: number): void {
    const inode = this.#layout.inodes[number];
    if (inode === undefined) return;
    const { position: at, kind, extended, size, xattrBytes } = inode;
    const count = xattrBytes === 0 ? 0 : (xattrBytes - xattrHeaderBytes) / 4 + 1;
    const layout = kind === "file" ? layoutChunked : inode.tail > 0 ? layoutInline : layoutPlain;
    const links = kind === "folder" ? 2 + inode.folders : 1;
    this.#put(at, (layout << 1) | (extended ? 1 : 0) | (count << 16));
    this.#put(at + 4, extended ? inode.mode : inode.mode | (links << 16));
    this.#put(at + 8, size);
    this.#put(at + 16, unionField(inode));
    this.#put(at + 20, number);
    if (extended) {
      this.#put(at + 12, Math.floor(size / 2 ** 32));
      this.#putLong(at + 32, inode.mtime);
      this.#put(at + 44, links);
    }
    const xattrs = at + (extended ? extendedInodeBytes : compactInodeBytes);
    if (kind === "file") this.#objectXattrs(inode, xattrs);
    else if (xattrBytes > 0) putRootXattrs(this.#out, xattrs);
    this.#content(inode, xattrs + xattrBytes, number);
  }

  #objectXattrs({ text }: PlainInode, at: number): void {
    const { shared, inodesEnd } = this.#layout;
    const number = shared.get(text);
    if (number === undefined) {
      putObjectXattrs(this.#out, at, text);
      return;
    }
    const start = inodesEnd % blockBytes;
    const redirectAt = start + number * redirectBytes;
    const sealAt = start + shared.size * redirectBytes + number * sealBytes;
    putSharedXattrs(this.#out, at, sealAt / 4, redirectAt / 4);
  }

  sharedXattrs(): void {
    const { shared, inodesEnd } = this.#layout;
    for (const [digest, number] of shared) putSharedEntries(this.#out, inodesEnd, number, shared.size, digest);
  }

  #content(inode: PlainInode, tailAt: number, number: number): void {
    const data = inode.firstBlock * blockBytes;
    switch (inode.kind) {
      case "folder":
        this.#entries(inode, tailAt, number);
        break;
      case "file":
        // Every chunk has the null address: the content is elsewhere.
        for (let at = tailAt; at < tailAt + inode.tail; at += 4) this.#put(at, 0xffff_ffff);
        break;
      case "inline":
        if (inode.content !== undefined) this.#out.set(inode.content, tailAt);
        break;
      case "symlink":
        this.#out.write(inode.text, inode.blocks > 0 ? data : tailAt, "latin1");
        break;
      case "stub":
        break;
    }
  }

  /** Entries go into blocks in their order, the last ones into the tail; in each the names follow all entries. */
  #entries(folder: PlainInode, tailAt: number, number: number): void {
    const { inodes } = this.#layout;
    let entries: number[] = [];
    let used = 0;
    let block = 0;
    const flush = (): void => {
      const start = block < folder.blocks ? (folder.firstBlock + block) * blockBytes : tailAt;
      this.#entryBlock(folder, entries, start, number);
      block++;
      used = 0;
      entries = [];
    };
    for (const entry of entriesOf(folder, inodes)) {
      const cost = direntBytes + entryName(entry, inodes).length;
      if (used + cost > blockBytes) flush();
      used += cost;
      entries.push(entry);
    }
    flush();
  }

  #entryBlock(folder: PlainInode, entries: readonly number[], start: number, number: number): void {
    const { inodes } = this.#layout;
    let at = start;
    let names = "";
    for (const entry of entries) {
      const child = inodes[entry === -1 ? number : entry === -2 ? folder.parent : entry];
      if (child === undefined) continue;
      this.#putLong(at, child.position / slotBytes);
      const nameAt = direntBytes * entries.length + names.length;
      this.#put(at + 8, nameAt | ((fileTypeOfMode[child.mode >> 12] ?? 0) << 16));
      names += entryName(entry, inodes);
      at += direntBytes;
    }
    // one text for all names: each call of the engine's own code costs more than the bytes do
    this.#out.write(names, at, "latin1");
  }
}

/** The field that holds the first block or the chunk format, by the kind of inode. */
function unionField({ kind, size, firstBlock }: PlainInode): number {
  return kind === "file" ? chunkBits(size) - 12 : firstBlock;
}
