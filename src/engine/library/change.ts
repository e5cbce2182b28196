// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, realpathSync, rmSync, statSync } from "node:fs";
import { DowelError, errnoOf, fileError, isDowelError } from "../../base/errors.ts";
import { launcherPath } from "../../instances/launcher.ts";
import { instanceFolders, listInstances } from "../../instances/list.ts";
import { appOf } from "../../instances/parent.ts";
import type { Instance } from "../../instances/types.ts";
import {
  formatLibrary,
  type LibraryFolder,
  libraryPath,
  parseLibrary,
  withFolder,
  withoutFolder,
} from "../../metadata/library.ts";
import { isValidId } from "../../metadata/ref.ts";
import { userPlace } from "../../store/places.ts";
import { writeFileDurably } from "../../sys/durability.ts";
import { lockFile } from "../../sys/locks.ts";
import { instancesFolder } from "../run/instances.ts";

/** The instances of an app that did not get, or did not lose, the folder; why. */
type Failed = readonly { readonly instance: string; readonly reason: string }[];

export interface LibraryChange {
  readonly folder: LibraryFolder;
  /** Instances that follow already. */
  readonly instances: readonly string[];
  readonly failed: Failed;
}

function fileOf(id: string): string {
  if (isValidId(id)) return libraryPath(userPlace().path, id);
  throw new DowelError("USAGE", `${JSON.stringify(id)} is no id of an app`);
}

/** The folders that were picked for an app. Throws `LIBRARY_INVALID`. */
export function readLibrary(id: string): readonly LibraryFolder[] {
  const path = fileOf(id);
  try {
    return parseLibrary(readFileSync(path, "utf8"), path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw errnoOf(error) === undefined ? error : fileError(error, "read", path);
  }
}

/** Answers what went wrong; empty where nothing did. */
function launch(words: readonly string[]): string {
  const { status, stderr, error } = spawnSync(launcherPath(), words, {
    argv0: "dowel-library",
    stdio: ["ignore", "ignore", "pipe"],
    encoding: "utf8",
  });
  if (status === 0) return "";
  return error?.message ?? (stderr.split("\n")[0] || "the launcher failed");
}

/** Puts the folder into one instance, or takes it away. */
function followIn(running: Instance, words: readonly string[]): string {
  try {
    return launch([String(appOf(running)), ...words]);
  } catch (error) {
    if (isDowelError(error)) return error.message;
    throw error;
  }
}

/** Lets the instances that run follow. */
function follow(id: string, words: readonly string[]): Pick<LibraryChange, "instances" | "failed"> {
  const instances: string[] = [];
  const failed: { instance: string; reason: string }[] = [];
  for (const running of listInstances(instanceFolders(instancesFolder()))) {
    if (running.application !== id) continue;
    const reason = followIn(running, words);
    if (reason === "") instances.push(running.instance);
    else failed.push({ instance: running.instance, reason });
  }
  return { instances, failed };
}

async function changing(
  id: string,
  signal: AbortSignal | undefined,
  change: (folders: readonly LibraryFolder[]) => ReturnType<typeof withFolder>,
): Promise<LibraryFolder> {
  const path = fileOf(id);
  const parent = path.slice(0, path.lastIndexOf("/"));
  mkdirSync(parent, { recursive: true, mode: 0o700 });
  using _lock = await lockFile(`${parent}/.lock`, { exclusive: true, signal });
  const { folders, folder } = change(readLibrary(id));
  writeFileDurably(path, formatLibrary(folders), 0o600);
  return folder;
}

/** The folder that a path means, without links. Throws `IO` or `LIBRARY_INVALID`. */
function pickedFolder(path: string): string {
  try {
    const real = realpathSync(path);
    if (statSync(real).isDirectory()) return real;
  } catch (error) {
    throw fileError(error, "open", path);
  }
  throw new DowelError("LIBRARY_INVALID", `${path} is no folder`);
}

/** Picks a folder for an app: its sandboxes show it from now on, also those that run. */
export async function addToLibrary(
  id: string,
  path: string,
  access: LibraryFolder["access"],
  signal?: AbortSignal,
): Promise<LibraryChange> {
  const real = pickedFolder(path);
  const folder = await changing(id, signal, (folders) => withFolder(folders, real, access));
  return { folder, ...follow(id, [folder.name, access, real]) };
}

/** Takes a folder away, by its path or name, at once. What an app has open of it stays open. Throws `LIBRARY_NOT_FOUND`. */
export async function removeFromLibrary(id: string, word: string, signal?: AbortSignal): Promise<LibraryChange> {
  const folder = await changing(id, signal, (folders) => withoutFolder(folders, word));
  return { folder, ...follow(id, [folder.name]) };
}

/** Forgets all folders that were picked for an app, whose next installation begins without. */
export function forgetLibrary(id: string): void {
  const path = fileOf(id);
  try {
    rmSync(path, { force: true });
  } catch (error) {
    throw fileError(error, "remove", path);
  }
}
