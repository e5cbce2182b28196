// SPDX-License-Identifier: Apache-2.0
import {
  chmodSync,
  constants,
  cpSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { DowelError, errnoOf } from "../../base/errors.ts";

/** Makes a folder below `root`, never through a symbolic link, and gives its path. Throws `SOURCE_INVALID`. */
export function makeInside(root: string, names: readonly string[]): string {
  let path = root;
  for (const name of names) {
    path = join(path, name);
    try {
      mkdirSync(path);
    } catch (error) {
      if (errnoOf(error) !== "EEXIST") throw error;
      if (!lstatSync(path).isDirectory()) {
        throw new DowelError("SOURCE_INVALID", `${path}: expected a folder; a source put something else there`);
      }
    }
  }
  return path;
}

/** Writes a new file into a folder; what has the name before goes, a link is not followed. */
export function placeFile(folder: string, name: string, data: Uint8Array | string, mode: number): void {
  const path = join(folder, name);
  rmSync(path, { recursive: true, force: true });
  writeFileSync(path, data, { flag: "wx", mode });
}

/** Copies one regular file, keeping only whether it can be executed. */
export function placeCopy(folder: string, name: string, from: string): void {
  const path = join(folder, name);
  rmSync(path, { recursive: true, force: true });
  cpSync(from, path, { mode: constants.COPYFILE_EXCL, dereference: true });
  chmodSync(path, (lstatSync(path).mode & 0o111) === 0 ? 0o644 : 0o755);
}

/**
 * Moves everything of one folder into another that may have some of the same folders already. Links in the
 * destination are replaced, never followed.
 */
export function mergeFolder(from: string, to: string): void {
  for (const name of readdirSync(from)) {
    const source = join(from, name);
    const target = join(to, name);
    const existing = lstatSync(target, { throwIfNoEntry: false });
    if (existing?.isDirectory() === true && lstatSync(source).isDirectory()) {
      mergeFolder(source, target);
    } else {
      if (existing !== undefined) rmSync(target, { recursive: true, force: true });
      renameSync(source, target);
    }
  }
}

/** Checks unpacked files: only folders, files and links may be there. Set-id bits go; folders become writable. */
export function sanitise(folder: string, what: string): void {
  chmodSync(folder, 0o755);
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    const stat = lstatSync(path);
    if (stat.isSymbolicLink()) continue;
    if (stat.isDirectory()) {
      sanitise(path, what);
    } else if (stat.isFile()) {
      chmodSync(path, (stat.mode & 0o111) === 0 ? 0o644 : 0o755);
    } else {
      throw new DowelError("SOURCE_INVALID", `${what}: ${path.slice(folder.length + 1)} is a device, socket or pipe`);
    }
  }
}
