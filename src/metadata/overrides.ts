// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { DowelError, errnoOf, fileError, isDowelError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { Keyfile } from "../formats/keyfile/keyfile.ts";
import { parseKeyfile } from "../formats/keyfile/parse.ts";
import { syncFolder, writeFileDurably } from "../sys/durability.ts";
import { lockFile } from "../sys/locks.ts";
import { readPermissions, writePermissions } from "./permissions/codec.ts";
import { mergePermissions } from "./permissions/merge.ts";
import { noPermissions, type Permissions } from "./permissions/model.ts";
import { dataName } from "./profile.ts";

function overridesFolder(installation: string): string {
  return `${installation}/overrides`;
}

/** The name of the file that is for all apps. */
export const globalOverrides = "global";

/** The file of an installation that changes the permissions of one app (`dataName`), or of all where there is no name. */
export function overridesPath(installation: string, name: string | undefined): string {
  return `${overridesFolder(installation)}/${name ?? globalOverrides}`;
}

export interface OverrideSources {
  readonly id: string;
  readonly profile?: string | undefined;
  /** Folder of the system installation; undefined for an app of the user's own, which its overrides do not touch. */
  readonly system: string | undefined;
  readonly user: string | undefined;
}

/**
 * The overrides files that count for an app, lowest first: each installation's global one, then the app's own, then
 * those of its profile.
 */
export function overrideFiles(sources: OverrideSources): string[] {
  const installations = [sources.system, sources.user].filter((path) => path !== undefined);
  const { id, profile } = sources;
  const names = [undefined, id, ...(profile === undefined ? [] : [dataName(id, profile)])];
  return installations.flatMap((path) => names.map((name) => overridesPath(path, name)));
}

/** Reads overrides files and merges them, lowest first; those that are missing say nothing. */
export function readOverrides(files: readonly string[]): Permissions {
  return files.reduce((lower, path) => mergePermissions(lower, permissionsOf(readFile(path), path)), noPermissions);
}

/** People edit these files, so a mistake names the file. */
function permissionsOf(keyfile: Keyfile, path: string): Permissions {
  try {
    return readPermissions(keyfile);
  } catch (error) {
    if (!isDowelError(error, "PERMISSION_INVALID")) throw error;
    throw new DowelError(error.code, `${path}: ${error.message}`, {
      hint: "Correct the file, or remove it with: dowel override --reset",
      cause: error,
    });
  }
}

function readFile(path: string): Keyfile {
  try {
    const status = statSync(path);
    if (!status.isFile()) throw new DowelError("IO", `${path} is not a file`);
    if (status.size > limits.keyfileBytes) {
      throw new DowelError("LIMIT_EXCEEDED", `${path} has ${status.size} bytes; ${limits.keyfileBytes} are allowed`);
    }
    return parseKeyfile(readFileSync(path), path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return new Keyfile();
    throw isDowelError(error) ? error : fileError(error, "read", path);
  }
}

/** The text of an overrides file as it would be written: sorted, empty where nothing is overridden. */
export function formatOverrides(permissions: Permissions): string {
  const keyfile = new Keyfile();
  writePermissions(keyfile, permissions);
  return keyfile.toString();
}

async function changing<T>(
  installation: string,
  signal: AbortSignal | undefined,
  work: () => T,
): Promise<T | undefined> {
  const folder = overridesFolder(installation);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o755 });
    using _lock = await lockFile(`${folder}/.lock`, { exclusive: true, signal });
    return work();
  } catch (error) {
    throw isDowelError(error) || errnoOf(error) === undefined ? error : fileError(error, "change", folder);
  }
}

/**
 * Changes one overrides file of an installation. What the file holds besides permissions is kept; a change that leaves
 * nothing removes it. Calls at the same time come one after the other.
 */
export async function changeOverrides(
  installation: string,
  id: string | undefined,
  change: (permissions: Permissions) => Permissions,
  signal?: AbortSignal,
): Promise<void> {
  const path = overridesPath(installation, id);
  await changing(installation, signal, () => {
    const keyfile = readFile(path);
    writePermissions(keyfile, change(permissionsOf(keyfile, path)));
    const text = keyfile.toString();
    if (text.trim() === "") remove(path);
    else writeFileDurably(path, text);
  });
}

/** Removes an overrides file; one that cannot be read goes too. */
export async function resetOverrides(
  installation: string,
  id: string | undefined,
  signal?: AbortSignal,
): Promise<void> {
  await changing(installation, signal, () => remove(overridesPath(installation, id)));
}

function remove(path: string): void {
  rmSync(path, { force: true });
  syncFolder(path.slice(0, path.lastIndexOf("/")));
}
