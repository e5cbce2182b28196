// SPDX-License-Identifier: Apache-2.0
import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  fchmodSync,
  futimesSync,
  lutimesSync,
  mkdirSync,
  symlinkSync,
  utimesSync,
  writeSync,
} from "node:fs";
import { checkCancelled, DowelError, errnoOf, fileError } from "../../base/errors.ts";
import { splitRelativePath } from "../../base/paths.ts";
import type { TarTime } from "../../formats/tar/entry.ts";
import { Descriptor, makeFoldersBeneath, openBeneath } from "../../sys/beneath.ts";
import type { TreeEntry } from "./tree-read.ts";

function seconds({ seconds, nanoseconds }: TarTime): number {
  return seconds + nanoseconds / 1e9;
}

async function writeContent(parent: Descriptor, name: string, entry: TreeEntry): Promise<void> {
  const copied = entry.copyFrom !== undefined;
  if (copied) {
    copyFileSync(entry.copyFrom, `${parent.path}/${name}`, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  }
  // A copy has its mode already, with which its owner may not be able to write to it.
  const flags = copied ? constants.O_RDONLY : constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
  const fd = openBeneath(parent.fd, name, flags | constants.O_NOFOLLOW, copied ? 0 : 0o600);
  try {
    if (!copied) {
      for await (const chunk of entry.content) {
        for (let offset = 0; offset < chunk.length; ) offset += writeSync(fd, chunk, offset);
      }
    }
    fchmodSync(fd, entry.mode & 0o777);
    futimesSync(fd, seconds(entry.mtime), seconds(entry.mtime));
  } finally {
    closeSync(fd);
  }
}

async function writeEntry(root: Descriptor, names: readonly string[], entry: TreeEntry): Promise<void> {
  using parent = makeFoldersBeneath(root, names.slice(0, -1), 0o700);
  const name = names.at(-1) ?? "";
  const path = `${parent.path}/${name}`;
  if (entry.kind === "folder") mkdirSync(path, { mode: 0o700 });
  else if (entry.kind === "file") await writeContent(parent, name, entry);
  else {
    symlinkSync(entry.target, path);
    lutimesSync(path, seconds(entry.mtime), seconds(entry.mtime));
  }
}

/** Modes and times of folders come last, innermost first: one that cannot be written could not be filled before. */
function finishFolders(root: Descriptor, folders: readonly TreeEntry[]): void {
  for (const { path, mode, mtime } of [...folders].reverse()) {
    using folder = Descriptor.beneath(root, path, constants.O_RDONLY | constants.O_DIRECTORY);
    chmodSync(folder.path, mode & 0o777);
    utimesSync(folder.path, seconds(mtime), seconds(mtime));
  }
}

/**
 * Writes a tree into an empty open folder, never through a link, whatever the entries say. Owners are the caller;
 * special bits go. Throws `DATA_ARCHIVE_INVALID` for a path that leads out, comes twice or lies below what is no folder.
 */
export async function writeTree(
  root: Descriptor,
  entries: AsyncIterable<TreeEntry>,
  what: string,
  signal?: AbortSignal,
): Promise<void> {
  const folders: TreeEntry[] = [];
  for await (const entry of entries) {
    checkCancelled(signal);
    const names = splitRelativePath(entry.path);
    const invalid = (text: string, cause?: unknown) =>
      new DowelError("DATA_ARCHIVE_INVALID", `${what}: ${JSON.stringify(entry.path)} ${text}`, { cause });
    if (names === undefined || names.length === 0) throw invalid("leads out of the data");
    try {
      await writeEntry(root, names, entry);
    } catch (error) {
      const errno = errnoOf(error) ?? "";
      if (errno === "EEXIST") throw invalid("comes twice", error);
      if (["ELOOP", "ENOTDIR", "EXDEV"].includes(errno)) throw invalid("lies below what is no folder", error);
      throw errno === "" ? error : fileError(error, "write", entry.path);
    }
    if (entry.kind === "folder") folders.push({ ...entry, path: names.join("/") });
  }
  finishFolders(root, folders);
}
