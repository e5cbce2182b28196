// SPDX-License-Identifier: Apache-2.0
import type { ByteString } from "./bytestring.ts";
import {
  blockBytes,
  compactInodeBytes,
  direntBytes,
  extendedInodeBytes,
  featureCompat,
  fileTypeOfMode,
  headerFlagAcl,
  headerMagic,
  maxSharedXattrs,
  slotBytes,
  superblockMagic,
  superblockOffset,
  xattrHeaderBytes,
} from "./constants.ts";
import { chunkBits, type Layout, layOut, linkCount } from "./layout.ts";
import type { Directory } from "./model.ts";
import type { Node, NodeEntry, XattrPair } from "./node.ts";
import { Preparation } from "./prepare.ts";

export interface WriteOptions {
  /** Number in the header. An image with whiteouts gets 1 where `maxVersion` allows it. */
  readonly version: 0 | 1;
  /** 1 if not given. */
  readonly maxVersion?: 0 | 1;
}

/**
 * Writes the composefs image of a tree, byte for byte the one that `mkcomposefs` writes, with `version` as its
 * `--min-version` and `maxVersion` as its `--max-version`.
 *
 * Of an inode with several names the first one counts, depth first in byte order. The tree is not changed.
 * Throws `COMPOSEFS_INVALID` or `LIMIT_EXCEEDED` where an image cannot hold the tree.
 */
export function writeComposefs(root: Directory, options: WriteOptions): Uint8Array {
  const newest = Math.max(options.version, options.maxVersion ?? 1);
  const preparation = new Preparation(newest >= 1);
  const top = preparation.root(root);
  const layout = layOut(top, preparation.xattrs.pairs);
  const writer = new ImageWriter(layout);
  writer.header(preparation.hasWhiteouts ? newest : options.version);
  for (const node of layout.nodes) writer.inode(node);
  writer.sharedXattrs();
  return writer.bytes();
}

class ImageWriter {
  readonly #buffer: Buffer;
  readonly #view: DataView;
  readonly #layout: Layout;

  constructor(layout: Layout) {
    this.#layout = layout;
    const memory = new ArrayBuffer(layout.totalBytes);
    this.#buffer = Buffer.from(memory);
    this.#view = new DataView(memory);
  }

  bytes(): Uint8Array {
    return new Uint8Array(this.#view.buffer);
  }

  header(version: number): void {
    const { root, nodes, minSec, minNsec, inodesEnd, totalBytes, hasAcl } = this.#layout;
    this.#u32(0, headerMagic);
    this.#u32(4, 1);
    this.#u32(8, hasAcl ? headerFlagAcl : 0);
    this.#u32(12, version);
    this.#u32(superblockOffset, superblockMagic);
    this.#u32(superblockOffset + 8, featureCompat);
    this.#view.setUint8(superblockOffset + 12, 12);
    this.#u16(superblockOffset + 14, root.position / slotBytes);
    this.#u64(superblockOffset + 16, nodes.length);
    this.#u64(superblockOffset + 24, minSec);
    this.#u32(superblockOffset + 32, minNsec);
    this.#u32(superblockOffset + 36, totalBytes / blockBytes);
    this.#u32(superblockOffset + 44, Math.floor(inodesEnd / blockBytes));
  }

  inode(node: Node): void {
    const at = node.position;
    const { source } = node;
    const icount = node.xattrBytes === 0 ? 0 : (node.xattrBytes - xattrHeaderBytes) / 4 + 1;
    this.#u16(at, (node.layout << 1) | (node.extended ? 1 : 0));
    this.#u16(at + 2, icount);
    this.#u16(at + 4, node.mode);
    this.#u32(at + 16, unionField(node));
    this.#u32(at + 20, node.ino);
    if (node.extended) {
      this.#u64(at + 8, node.size);
      this.#u32(at + 24, source.uid);
      this.#u32(at + 28, source.gid);
      this.#u64(at + 32, source.mtimeSec);
      this.#u32(at + 40, source.mtimeNsec);
      this.#u32(at + 44, linkCount(node));
    } else {
      this.#u16(at + 6, linkCount(node));
      this.#u32(at + 8, node.size);
      this.#u16(at + 24, source.uid);
      this.#u16(at + 26, source.gid);
    }
    const xattrs = at + (node.extended ? extendedInodeBytes : compactInodeBytes);
    if (node.xattrBytes > 0) this.#inodeXattrs(node.xattrs, xattrs);
    this.#content(node, xattrs + node.xattrBytes);
  }

  sharedXattrs(): void {
    for (const pair of this.#layout.shared) this.#xattr(pair, this.#layout.inodesEnd + pair.sharedOffset);
  }

  #inodeXattrs(xattrs: readonly XattrPair[], start: number): void {
    let filter = 0xffff_ffff;
    let references = 0;
    let at = start + xattrHeaderBytes;
    const inline: XattrPair[] = [];
    for (const pair of xattrs) {
      filter &= ~(1 << pair.name.filterBit);
      if (pair.sharedOffset < 0 || references === maxSharedXattrs) {
        inline.push(pair);
        continue;
      }
      this.#u32(at, ((this.#layout.inodesEnd % blockBytes) + pair.sharedOffset) / 4);
      references++;
      at += 4;
    }
    this.#u32(start, filter >>> 0);
    this.#view.setUint8(start + 4, references);
    for (const pair of inline) {
      this.#xattr(pair, at);
      at += pair.bytes;
    }
  }

  #xattr(pair: XattrPair, at: number): void {
    const { index, suffix } = pair.name;
    this.#view.setUint8(at, suffix.length);
    this.#view.setUint8(at + 1, index);
    this.#u16(at + 2, pair.value.length);
    this.#text(at + 4, suffix);
    this.#text(at + 4 + suffix.length, pair.value);
  }

  #content(node: Node, tailAt: number): void {
    const { source } = node;
    const data = node.firstBlock * blockBytes;
    const inBlocks = node.blocks * blockBytes;
    switch (source.kind) {
      case "directory":
        node.groups.forEach((group, index) => {
          this.#directoryBlock(group, index < node.blocks ? data + index * blockBytes : tailAt);
        });
        break;
      case "inline":
        this.#buffer.set(source.content.subarray(0, inBlocks), data);
        this.#buffer.set(source.content.subarray(inBlocks), tailAt);
        break;
      case "external":
        // Every chunk has the null address: the content is elsewhere.
        this.#buffer.fill(0xff, tailAt, tailAt + node.tail);
        break;
      case "symlink":
        this.#text(node.blocks > 0 ? data : tailAt, source.target);
        break;
    }
  }

  #directoryBlock(entries: readonly NodeEntry[], start: number): void {
    let at = start;
    let nameOffset = direntBytes * entries.length;
    for (const { name, node } of entries) {
      this.#u64(at, node.position / slotBytes);
      this.#u16(at + 8, nameOffset);
      this.#view.setUint8(at + 10, fileTypeOfMode[node.mode >> 12] ?? 0);
      this.#text(start + nameOffset, name);
      nameOffset += name.length;
      at += direntBytes;
    }
  }

  #text(at: number, text: ByteString): void {
    this.#buffer.write(text, at, "latin1");
  }

  #u16(at: number, value: number): void {
    this.#view.setUint16(at, value, true);
  }

  #u32(at: number, value: number): void {
    this.#view.setUint32(at, value, true);
  }

  /** A safe integer in 64 bits, two's complement. */
  #u64(at: number, value: number): void {
    this.#view.setUint32(at, value, true);
    this.#view.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
  }
}

/** The field that holds a device number, the first block or the chunk format, by the kind of inode. */
function unionField(node: Node): number {
  const { source } = node;
  if (source.kind === "block") return source.rdev;
  // A whiteout is written as a regular file, but its device number is 0 anyway.
  if (source.kind === "character") return source.rdev;
  if (source.kind !== "external") return node.firstBlock;
  return ((node.firstBlock & 0xffff_0000) | (chunkBits(source.size) - 12)) >>> 0;
}
