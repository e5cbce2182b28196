// SPDX-License-Identifier: Apache-2.0
import { constants, type Dirent, fstatSync, lstatSync, readdirSync, readlinkSync, readSync } from "node:fs";
import { checkCancelled, DowelError, errnoOf, fileError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import type { TarTime } from "../../formats/tar/entry.ts";
import { Descriptor } from "../../sys/beneath.ts";

const chunkBytes = 1024 * 1024;

/** One thing in a tree of an app's data. */
export interface TreeEntry {
  /** Relative to the tree, with `/` between names. */
  readonly path: string;
  readonly kind: "folder" | "file" | "symlink";
  /** Permission bits, 0 to 0o777. */
  readonly mode: number;
  readonly mtime: TarTime;
  /** Bytes of a file. */
  readonly size: number;
  /** Where a symbolic link leads. */
  readonly target: string;
  /** A file's bytes, to be read before the next entry is asked for. */
  readonly content: AsyncIterable<Uint8Array>;
  /** A path that the whole file can be copied from meanwhile; undefined where there is none. */
  readonly copyFrom: string | undefined;
}

interface Walk {
  readonly skips: (path: string) => boolean;
  readonly signal: AbortSignal | undefined;
  /** The tree in messages. */
  readonly what: string;
}

async function* chunksOf(file: Descriptor): AsyncGenerator<Uint8Array> {
  for (;;) {
    const buffer = Buffer.allocUnsafe(chunkBytes);
    const count = readSync(file.fd, buffer, 0, chunkBytes, null);
    if (count === 0) return;
    yield buffer.subarray(0, count);
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

function timeOf(mtimeNs: bigint): TarTime {
  const nanoseconds = Number(((mtimeNs % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n);
  return { seconds: Number((mtimeNs - BigInt(nanoseconds)) / 1_000_000_000n), nanoseconds };
}

async function* readFileEntry(folder: Descriptor, name: string, path: string): AsyncGenerator<TreeEntry> {
  const flags = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW;
  using file = Descriptor.beneath(folder, name, flags);
  const status = fstatSync(file.fd, { bigint: true });
  if (!status.isFile()) return;
  yield {
    path,
    kind: "file",
    mode: Number(status.mode) & 0o777,
    mtime: timeOf(status.mtimeNs),
    size: Number(status.size),
    target: "",
    content: chunksOf(file),
    copyFrom: file.path,
  };
}

async function* readFolder(folder: Descriptor, above: string, depth: number, walk: Walk): AsyncGenerator<TreeEntry> {
  if (depth > limits.pathDepth) {
    throw new DowelError("LIMIT_EXCEEDED", `${walk.what}/${above}: more than ${limits.pathDepth} folders deep`);
  }
  const entries = readdirSync(folder.path, { withFileTypes: true });
  for (const entry of entries.sort((left, right) => (left.name < right.name ? -1 : 1))) {
    checkCancelled(walk.signal);
    const path = above === "" ? entry.name : `${above}/${entry.name}`;
    if (!walk.skips(path)) yield* readEntry(folder, entry, path, depth, walk);
  }
}

async function* readEntry(
  folder: Descriptor,
  { name }: Dirent,
  path: string,
  depth: number,
  walk: Walk,
): AsyncGenerator<TreeEntry> {
  const status = lstatSync(`${folder.path}/${name}`, { bigint: true });
  const common = { path, mode: Number(status.mode) & 0o777, mtime: timeOf(status.mtimeNs), size: 0, target: "" };
  const empty = { ...common, content: nothing(), copyFrom: undefined };
  if (status.isDirectory()) {
    yield { ...empty, kind: "folder" };
    using below = Descriptor.beneath(folder, name, constants.O_RDONLY | constants.O_DIRECTORY);
    yield* readFolder(below, path, depth + 1, walk);
  } else if (status.isSymbolicLink()) {
    yield { ...empty, kind: "symlink", target: readlinkSync(`${folder.path}/${name}`) };
  } else if (status.isFile()) yield* readFileEntry(folder, name, path);
}

/**
 * All files, folders and links below an open folder, each folder before what it holds; sockets, pipes and devices are
 * left out. No link is followed. Throws `LIMIT_EXCEEDED` past the depth, and what reading throws.
 */
export async function* readTree(
  root: Descriptor,
  what: string,
  options: { readonly skips?: (path: string) => boolean; readonly signal?: AbortSignal | undefined } = {},
): AsyncGenerator<TreeEntry> {
  try {
    yield* readFolder(root, "", 1, { skips: options.skips ?? (() => false), signal: options.signal, what });
  } catch (error) {
    throw errnoOf(error) === undefined ? error : fileError(error, "read", what);
  }
}
