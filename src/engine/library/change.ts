// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, rmSync } from "node:fs";
import { realpath, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { DowelError, fileError } from "../../base/errors.ts";
import {
  checkFolder,
  formatLibrary,
  type LibraryEdit,
  type LibraryFolder,
  withFolder,
  withoutFolder,
} from "../../metadata/library.ts";
import { writeFileDurably } from "../../sys/durability.ts";
import { lockFile } from "../../sys/locks.ts";
import { mediumOf } from "../../sys/medium.ts";
import { fileOf, findFolders, type LibraryPlace, ownPlace, readLibrary, realPlace } from "./folders.ts";
import { type Followed, follow } from "./follow.ts";

export interface LibraryChange extends Followed {
  readonly folder: LibraryFolder;
}

/** Nobody else changes a file of folders, nor what instances show of it, until the lock is disposed of. */
async function lockLibrary(file: string, signal: AbortSignal | undefined): Promise<Disposable> {
  const folder = dirname(file);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const lock = await lockFile(`${folder}/.lock`, { exclusive: true, signal });
  return { [Symbol.dispose]: () => lock?.[Symbol.dispose]() };
}

function edit(
  place: LibraryPlace,
  name: string,
  change: (folders: readonly LibraryFolder[]) => LibraryEdit,
): LibraryFolder {
  const { folders, folder } = change(readLibrary(place, name));
  writeFileDurably(fileOf(place, name), formatLibrary(folders), 0o600);
  return folder;
}

/**
 * The folder that a path means, without links. Does not hold up the caller where that takes long. Throws `IO` or
 * `LIBRARY_INVALID`.
 */
async function pickedFolder(path: string): Promise<string> {
  if (path.includes("\0") || path.includes("\uFFFD")) {
    throw new DowelError("LIBRARY_INVALID", "The path of a folder to pick must be UTF-8 without NUL");
  }
  try {
    const real = await realpath(path);
    if ((await stat(real)).isDirectory()) return real;
  } catch (error) {
    throw fileError(error, "open", path);
  }
  throw new DowelError("LIBRARY_INVALID", `${path} is no folder`);
}

export interface Pick {
  /** `ID` or `ID@PROFILE`. */
  readonly name: string;
  readonly path: string;
  readonly access: LibraryFolder["access"];
}

/** Picks a folder for an app: its sandboxes show it from now on, also those that run. Throws `LIBRARY_INVALID` or `IO`. */
export async function addToLibrary(place: LibraryPlace, pick: Pick, signal?: AbortSignal): Promise<LibraryChange> {
  const { name, access } = pick;
  const file = fileOf(place, name);
  const path = await pickedFolder(pick.path);
  const { home, installation } = realPlace(place);
  checkFolder(path, home, installation);
  const medium = mediumOf(path, home)?.identity;
  using _lock = await lockLibrary(file, signal);
  const folder = edit(place, name, (folders) => withFolder(folders, { path, access, medium }));
  const found = findFolders(place, name).find((one) => one.name === folder.name);
  return { folder, ...(await follow(place.instances, name, folder.name, found)) };
}

/**
 * Takes a folder away, by its path or name, at once. What an app has open of it stays open. Throws `LIBRARY_NOT_FOUND`.
 *
 * @param name `ID` or `ID@PROFILE`
 */
export async function removeFromLibrary(
  place: LibraryPlace,
  name: string,
  word: string,
  signal?: AbortSignal,
): Promise<LibraryChange> {
  using _lock = await lockLibrary(fileOf(place, name), signal);
  const folder = edit(place, name, (folders) => withoutFolder(folders, word));
  return { folder, ...(await follow(place.instances, name, folder.name, undefined)) };
}

/** Does what must not happen while somebody changes a library. */
export async function withLibrary<T>(
  place: LibraryPlace,
  name: string,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  using _lock = await lockLibrary(fileOf(place, name), signal);
  return await work();
}

/** Forgets all folders that were picked for an app or a profile of it, whose next data begin without. */
export function forgetLibrary(name: string): void {
  const path = fileOf(ownPlace(), name);
  try {
    rmSync(path, { force: true });
  } catch (error) {
    throw fileError(error, "remove", path);
  }
}
