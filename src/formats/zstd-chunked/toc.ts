// SPDX-License-Identifier: Apache-2.0
import type { TarEntry } from "../tar/entry.ts";

/** A part of a body that is a zstd frame of its own in the blob. */
export interface TocChunk {
  /** Where its content starts in the body. */
  readonly offset: number;
  /** Bytes of its content, at least 1. */
  readonly size: number;
  /** `sha256:HEX` of its content. */
  readonly digest: string;
  /** The bytes of the blob from `start` to before `end` unpack to the content. */
  readonly start: number;
  readonly end: number;
  /** Whether the table says that the content is nothing but zeros. */
  readonly hole: boolean;
}

/** An archive member as the table of contents describes it. */
export interface TocEntry extends TarEntry {
  /** `sha256:HEX` of the body; undefined where that is empty. */
  readonly digest: string | undefined;
  /** The body from its start to its end, in ascending places of the blob; empty where the body is. */
  readonly chunks: readonly TocChunk[];
}

/** The table of contents of a layer, version 1. */
export interface Toc {
  /** In the order of the archive. No two have the same path. */
  readonly entries: readonly TocEntry[];
  /** `sha256:HEX` of the compressed tar-split data; layers in the old dialect have none. */
  readonly tarSplitDigest: string | undefined;
}

/** The words for the types of entries. */
export const typeNames: Readonly<Record<TarEntry["type"], string>> = {
  file: "reg",
  hardlink: "hardlink",
  symlink: "symlink",
  character: "char",
  block: "block",
  directory: "dir",
  fifo: "fifo",
};

/** Says that the bytes of a chunk are all zeros. */
export const holeType = "zeros";
