// SPDX-License-Identifier: Apache-2.0
import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
} from "node:fs";
import { DowelError, errnoOf, fileError } from "../../base/errors.ts";
import { temporaryName } from "../../sys/durability.ts";
import type { FileContent, FileNode, FolderNode } from "../image/tree.ts";
import type { Installation } from "../installation.ts";
import { objectPath } from "../objects/paths.ts";
import { writeObject } from "../objects/stager.ts";

/**
 * Makes a tree of hard links to the objects in a folder that does not exist yet. Files are 0444 or 0555 and have time
 * 0, because equal files share one inode; folders keep their times. Small and empty files have no objects and become
 * files of their own. Throws `NO_SPACE` or `IO`.
 */
export function checkOut(installation: Installation, tree: FolderNode, path: string): void {
  try {
    checkOutFolder(installation, tree, path);
  } catch (error) {
    throw fileError(error, "check out", path);
  }
}

/** What every file system can hold: ext4's limit, in the year 2446. */
const latestTime = 0x3_7fff_ffff;

function checkOutFolder(installation: Installation, folder: FolderNode, path: string): void {
  mkdirSync(path, { mode: 0o755 });
  for (const [name, node] of folder.children) {
    const target = `${path}/${name}`;
    if (node.kind === "folder") checkOutFolder(installation, node, target);
    else if (node.kind === "symlink") symlinkSync(node.target, target);
    else checkOutFile(installation, node, target);
  }
  const time = Math.min(Math.max(folder.mtime, 0), latestTime);
  utimesSync(path, time, time);
}

function checkOutFile(installation: Installation, { content, executable }: FileNode, target: string): void {
  if (content.inline !== undefined || content.size === 0) {
    writeObject(target, content.inline ?? new Uint8Array(0), executable);
    return;
  }
  const object = objectWithMode(installation, content, executable ? 0o555 : 0o444);
  try {
    linkSync(object, target);
  } catch (error) {
    // A file system allows an inode only so many names; a copy serves as well.
    if (errnoOf(error) !== "EMLINK") throw error;
    copyWithMode(object, target, executable ? 0o555 : 0o444);
  }
}

/**
 * The path of an object that has a mode. An object has the mode of its first use; where another use needs the
 * other mode, a copy (a reflink where the file system can) stands beside it: `….x` for 0555, `….r` for 0444.
 */
function objectWithMode(installation: Installation, { digest, size }: FileContent, mode: 0o555 | 0o444): string {
  const path = objectPath(installation, digest);
  const status = statSync(path);
  if (!status.isFile() || status.size !== size) {
    throw new DowelError("STORE_INVALID", `${path}: must be a file of ${size} bytes`, {
      hint: "Run: dowel repair",
    });
  }
  if ((status.mode & 0o777) === mode) return path;
  const variant = `${path}.${mode === 0o555 ? "x" : "r"}`;
  if (statSync(variant, { throwIfNoEntry: false })?.isFile() !== true) copyWithMode(path, variant, mode);
  return variant;
}

function copyWithMode(from: string, to: string, mode: number): void {
  const temporary = temporaryName(to);
  try {
    copyFileSync(from, temporary, constants.COPYFILE_FICLONE);
    chmodSync(temporary, mode);
    utimesSync(temporary, 0, 0);
    syncFile(temporary);
    renameSync(temporary, to);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** A variant may be used by deployments long after this one, so its content must be there before its name is. */
function syncFile(path: string): void {
  const fd = openSync(path, constants.O_RDONLY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
