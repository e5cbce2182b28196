// SPDX-License-Identifier: Apache-2.0
import type { ByteString } from "./bytestring.ts";
import type { Inode } from "./model.ts";
import type { XattrName } from "./xattr-names.ts";

/** One xattr of one inode; equal ones of several inodes are the same object. */
export interface XattrPair {
  readonly name: XattrName;
  readonly value: ByteString;
  /** Bytes of its entry, padded to four. */
  readonly bytes: number;
  /** How many inodes have it. */
  uses: number;
  /** Offset in the shared table; -1 where it is not in it. */
  sharedOffset: number;
}

export interface NodeEntry {
  readonly name: ByteString;
  readonly node: Node;
  /** Whether this is a further name of the inode: "." and ".." too. It has no place in the order of inodes. */
  readonly alias: boolean;
}

/** An inode as the image will hold it, and where. */
export class Node {
  readonly source: Inode;
  /** Type and permission bits. */
  readonly mode: number;
  xattrs: readonly XattrPair[] = [];
  /** Sorted, with "." and ".."; only of folders. */
  entries: readonly NodeEntry[] = [];
  childFolders = 0;
  ino = 0;

  /** The size field: for folders that of the entries' blocks and tail. */
  size = 0;
  layout = 0;
  extended = false;
  xattrBytes = 0;
  blocks = 0;
  /** Bytes behind the inode and its xattrs. */
  tail = 0;
  /** Byte offset of the inode. */
  position = 0;
  /** Number of the first data block, counted from the start of the image; 0 where there is none. */
  firstBlock = 0;
  /** Entries of each directory block, the tail last; only of folders. */
  groups: readonly (readonly NodeEntry[])[] = [];

  constructor(source: Inode, mode: number) {
    this.source = source;
    this.mode = mode;
  }
}
