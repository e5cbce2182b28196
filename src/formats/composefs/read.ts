// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { type ByteString, bytesOfByteString } from "./bytestring.ts";
import {
  escapedOverlayPrefix,
  fileTypeOfMode,
  firstInodeOffset,
  headerMagic,
  layoutChunked,
  maxInlineContentBytes,
  maxObjectBytes,
  metacopyHeader,
  modeOf,
  overlayPrefix,
  superblockMagic,
  superblockOffset,
  xattrMetacopy,
  xattrOpaque,
  xattrRedirect,
  xattrsOfOpaqueParent,
  xattrsOfWhiteout,
  xattrsOfWhiteoutParent,
} from "./constants.ts";
import { Extent, invalid } from "./extent.ts";
import { chunkBits } from "./layout.ts";
import { type Directory, type ExternalFile, type Inode, isWhiteout, type Leaf, type Metadata } from "./model.ts";
import { contentParts, type RawEntry, readEntries } from "./read-directory.ts";
import { InodeReader, type RawInode, readSuperblock } from "./read-inode.ts";
import { checkInode, checkName } from "./validate.ts";

/** 2 is what composefs-rs wrote before 0.9; it is only read. */
type ComposefsVersion = 0 | 1 | 2;

export interface ComposefsImage {
  readonly root: Directory;
  /** The number in the header. */
  readonly version: ComposefsVersion;
}

/**
 * Reads a composefs image of version 0, 1 or 2 back into the tree that it was made from. What the writer adds for
 * overlayfs is taken out again. The image may be hostile: the work is bounded by its size.
 *
 * `keepOpaque`: leave the marks that version 1 puts on folders with whiteouts, as the C tools do. A folder that had such
 * marks before cannot be told from one that has not.
 *
 * Throws `COMPOSEFS_INVALID` with the offset, `LIMIT_EXCEEDED` for too many nested folders, and `UNSUPPORTED` for
 * another version.
 */
export function readComposefs(bytes: Uint8Array, { keepOpaque = false } = {}): ComposefsImage {
  const image = new Extent(bytes);
  image.claim(0, firstInodeOffset);
  if (image.u32(0) !== headerMagic || image.u32(4) !== 1) invalid(0, "the header must be that of a composefs image");
  const version = image.u32(12);
  if (version !== 0 && version !== 1 && version !== 2) {
    throw new DowelError("UNSUPPORTED", `composefs image: version ${version} is not known, only 0 to 2`);
  }
  if (image.u32(superblockOffset) !== superblockMagic || image.u8(superblockOffset + 12) !== 12) {
    invalid(superblockOffset, "the superblock must be that of EROFS with blocks of 4096 bytes");
  }
  return { root: new TreeReader(image, version, keepOpaque).root(), version };
}

class TreeReader {
  readonly #image: Extent;
  readonly #inodes: InodeReader;
  readonly #rootNid: number;
  readonly #version: ComposefsVersion;
  /** What is on a folder with whiteouts because of these. */
  readonly #marks: readonly ByteString[];
  readonly #leaves = new Map<number, Leaf>();
  readonly #folders = new Set<number>();

  constructor(image: Extent, version: ComposefsVersion, keepOpaque: boolean) {
    this.#image = image;
    this.#version = version;
    this.#marks = keepOpaque && version === 1 ? xattrsOfWhiteoutParent : marksOfWhiteouts[version];
    const superblock = readSuperblock(image);
    this.#rootNid = superblock.rootNid;
    this.#inodes = new InodeReader(image, superblock, version);
  }

  root(): Directory {
    const raw = this.#inodes.read(this.#rootNid);
    if (raw.mode >> 12 !== modeOf.directory >> 12) invalid(raw.offset, "the root must be a folder");
    if (this.#version < 2) {
      if (raw.xattrs.get(xattrOpaque) !== "y") invalid(raw.offset, `the root must have the xattr ${xattrOpaque}`);
      raw.xattrs.delete(xattrOpaque);
    }
    return this.#directory(raw, this.#rootNid, this.#rootNid, 0);
  }

  #directory(raw: RawInode, nid: number, parentNid: number, depth: number): Directory {
    if (depth > limits.pathDepth) {
      throw new DowelError("LIMIT_EXCEEDED", `composefs image: folders may be at most ${limits.pathDepth} deep`);
    }
    this.#folders.add(nid);
    const entries = new Map<ByteString, Inode>();
    let folders = 0;
    let whiteouts = false;
    let dots = 0;
    for (const entry of readEntries(this.#image, raw)) {
      if (entry.name === "." || entry.name === "..") {
        if (entry.nid !== (entry.name === "." ? nid : parentNid))
          invalid(entry.offset, `${entry.name} leads elsewhere`);
        dots++;
        continue;
      }
      const child = this.#child(entry, nid, depth);
      if (child === undefined) continue;
      if (child.kind === "directory") folders++;
      whiteouts ||= isWhiteout(child);
      entries.set(entry.name, child);
    }
    if (dots !== 2 || raw.nlink !== 2 + folders) invalid(raw.offset, "a folder must have . and .. and their links");
    const xattrs = originalXattrs(raw, whiteouts ? this.#marks : []);
    const directory: Directory = { ...metadataOf(raw), xattrs, kind: "directory", entries };
    checkInode(directory, `inode at offset ${raw.offset}`);
    return directory;
  }

  /** The inode of an entry; undefined where it only hides a folder of the object store. */
  #child(entry: RawEntry, parentNid: number, depth: number): Inode | undefined {
    checkName(entry.name, `entry at offset ${entry.offset}`);
    if (this.#folders.has(entry.nid)) invalid(entry.offset, "a folder must have one name");
    const known = this.#leaves.get(entry.nid);
    if (known !== undefined) {
      const type = isWhiteout(known) && this.#version < 2 ? modeOf.inline : modeOf[known.kind];
      if (entry.fileType !== fileTypeOfMode[type >> 12]) invalid(entry.offset, "the type must be that of the inode");
      return known;
    }
    const raw = this.#inodes.read(entry.nid);
    if (entry.fileType !== fileTypeOfMode[raw.mode >> 12]) invalid(entry.offset, "the type must be that of the inode");
    if (raw.mode >> 12 === modeOf.directory >> 12) return this.#directory(raw, entry.nid, parentNid, depth + 1);
    if (this.#version < 2 && raw.mode >> 12 === modeOf.character >> 12 && raw.union === 0) {
      const stub = depth === 0 && /^[0-9a-f]{2}$/.test(entry.name);
      if (!stub) invalid(entry.offset, "only names of the object store may be hidden");
      return undefined;
    }
    const leaf = this.#leaf(raw);
    checkInode(leaf, `inode at offset ${raw.offset}`);
    this.#leaves.set(entry.nid, leaf);
    return leaf;
  }

  #leaf(raw: RawInode): Leaf {
    const { nlink } = raw;
    switch (raw.mode >> 12) {
      case modeOf.inline >> 12:
        return raw.layout === layoutChunked ? this.#external(raw) : this.#inline(raw);
      case modeOf.symlink >> 12:
        return { ...leafMetadata(raw), kind: "symlink", nlink, target: this.#content(raw, limits.symlinkTargetBytes) };
      case modeOf.character >> 12:
        return { ...leafMetadata(raw), kind: "character", nlink, rdev: raw.union };
      case modeOf.block >> 12:
        return { ...leafMetadata(raw), kind: "block", nlink, rdev: raw.union };
      case modeOf.fifo >> 12:
        return { ...leafMetadata(raw), kind: "fifo", nlink };
      case modeOf.socket >> 12:
        return { ...leafMetadata(raw), kind: "socket", nlink };
      default:
        return invalid(raw.offset, "the mode must have a known type");
    }
  }

  #inline(raw: RawInode): Leaf {
    const { nlink } = raw;
    if (this.#version < 2 && raw.size === 0 && xattrsOfWhiteout.every((key) => raw.xattrs.get(key) === "")) {
      const xattrs = originalXattrs(raw, xattrsOfWhiteout);
      return { ...metadataOf(raw), xattrs, kind: "character", nlink, rdev: 0 };
    }
    const content = bytesOfByteString(this.#content(raw, maxInlineContentBytes));
    return { ...leafMetadata(raw), kind: "inline", nlink, content };
  }

  #external(raw: RawInode): ExternalFile {
    const { offset, size, nlink } = raw;
    if (size <= 0 || size > maxObjectBytes) invalid(offset, "an object must have 1 to 2^52 bytes");
    const bits = this.#version < 2 ? chunkBits(size) : oldChunkBits;
    const chunks = Math.ceil(size / 2 ** bits);
    this.#image.claim(raw.tailOffset, 4 * chunks);
    for (let index = 0; index < chunks; index++) {
      if (this.#image.u32(raw.tailOffset + 4 * index) !== 0xffff_ffff) invalid(offset, "chunks must have no address");
    }
    if (raw.union !== bits - 12) invalid(offset, "the chunk format must fit the size");
    const metacopy = raw.xattrs.get(xattrMetacopy);
    const redirect = raw.xattrs.get(xattrRedirect);
    const withDigest = metacopy?.length === metacopyHeader.length + 32 && metacopy.startsWith(metacopyHeader);
    if (!withDigest && metacopy !== "") invalid(offset, `the xattr ${xattrMetacopy} must be empty or hold a digest`);
    if (redirect !== undefined && !redirect.startsWith("/")) invalid(offset, `${xattrRedirect} must begin with /`);
    return {
      ...metadataOf(raw),
      xattrs: originalXattrs(raw, [xattrMetacopy, xattrRedirect]),
      kind: "external",
      nlink,
      size,
      digest: withDigest ? bytesOfByteString(metacopy.slice(metacopyHeader.length)) : undefined,
      payload: redirect?.slice(1),
    };
  }

  #content(raw: RawInode, limit: number): ByteString {
    if (raw.size > limit) invalid(raw.offset, `the content must be at most ${limit} bytes`);
    let text = "";
    for (const { offset, length } of contentParts(this.#image, raw)) text += this.#image.text(offset, length);
    return text;
  }
}

function metadataOf(raw: RawInode): Metadata {
  const { uid, gid, mtimeSec, mtimeNsec, xattrs } = raw;
  return { mode: raw.mode & 0o7777, uid, gid, mtimeSec, mtimeNsec, xattrs };
}

function leafMetadata(raw: RawInode): Metadata {
  return { ...metadataOf(raw), xattrs: originalXattrs(raw, []) };
}

/** What is on a folder with whiteouts because of these, by version. */
const marksOfWhiteouts: Readonly<Record<ComposefsVersion, readonly ByteString[]>> = {
  0: xattrsOfWhiteoutParent,
  1: [...xattrsOfWhiteoutParent, ...xattrsOfOpaqueParent],
  2: [],
};

/** Version 2 has chunks of this size alone, one in each object. */
const oldChunkBits = 43;

/** The xattrs without `added`, with those of overlayfs under their own names again. */
function originalXattrs(raw: RawInode, added: readonly ByteString[]): Map<ByteString, ByteString> {
  const xattrs = new Map<ByteString, ByteString>();
  for (const [key, value] of raw.xattrs) {
    if (added.includes(key)) continue;
    if (!key.startsWith(overlayPrefix)) xattrs.set(key, value);
    else if (!key.startsWith(escapedOverlayPrefix)) {
      if (raw.version < 2) invalid(raw.offset, `the xattr ${JSON.stringify(key)} must be escaped`);
      xattrs.set(key, value);
    } else xattrs.set(overlayPrefix + key.slice(escapedOverlayPrefix.length), value);
  }
  return xattrs;
}
