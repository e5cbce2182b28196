// SPDX-License-Identifier: Apache-2.0

export type TarEntryType = "file" | "hardlink" | "symlink" | "directory" | "character" | "block" | "fifo";

/** Time since 1970-01-01 UTC; `nanoseconds` is 0 to 999,999,999 and counts forward, before 1970 too. */
export interface TarTime {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** What the headers of one archive member say. Only files have a size other than 0. */
export interface TarEntry {
  /** As the archive has it: not normalised, a directory may end with `/`. See policy.ts. */
  readonly path: string;
  readonly type: TarEntryType;
  /** Permission bits, 0 to 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of the body. */
  readonly size: number;
  readonly mtime: TarTime;
  /** Target of a symlink or hard link, else "". */
  readonly linkName: string;
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
  /** For character and block devices, else 0. */
  readonly devMajor: number;
  readonly devMinor: number;
}

/** Archives are a sequence of blocks of this many bytes. */
export const blockSize = 512;

/** The number of zero bytes between a body of `size` bytes and the next header, 0 to 511. */
export function paddingSize(size: number): number {
  return (blockSize - (size % blockSize)) % blockSize;
}
