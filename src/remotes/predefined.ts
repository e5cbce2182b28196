// SPDX-License-Identifier: Apache-2.0
import { readdirSync, readFileSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { errnoOf, fileError, isDowelError } from "../base/errors.ts";
import type { Keyfile } from "../formats/keyfile/keyfile.ts";
import type { InstallationPlace } from "../store/places.ts";
import { looksLikeLocation } from "./location.ts";
import { parseRepoFile, type RepoFile } from "./repofile.ts";
import { isRemoteName, remoteNames, writeSettings } from "./settings.ts";

const suffix = ".flatpakrepo";
const appliedKey = "xa.applied-remotes";

type Environment = Readonly<Record<string, string | undefined>>;

/** Where a distribution and an administrator put `NAME.flatpakrepo` files; the administrator's counts. */
function predefinedFolders(environment: Environment): readonly string[] {
  const folder = (variable: string, fallback: string): string => {
    const value = environment[variable];
    return join(value !== undefined && isAbsolute(value) ? value : fallback, "remotes.d");
  };
  return [folder("DOWEL_CONFIG_DIR", "/etc/dowel"), folder("DOWEL_DATA_DIR", "/usr/share/dowel")];
}

function repoFiles(folder: string): readonly { readonly name: string; readonly path: string }[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.name.endsWith(suffix) && (entry.isFile() || entry.isSymbolicLink()))
      .map(({ name }) => ({ name: name.slice(0, -suffix.length), path: join(folder, name) }))
      .sort((left, right) => (left.name < right.name ? -1 : 1));
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return [];
    throw fileError(error, "read", folder);
  }
}

function readRepoFile(path: string): RepoFile | undefined {
  try {
    return parseRepoFile(readFileSync(path), path);
  } catch (error) {
    // A file of somebody else's that is damaged must not make the other remotes unusable.
    if (isDowelError(error) || errnoOf(error) !== undefined) return undefined;
    throw error;
  }
}

function isOwnSystem({ name, kind }: Pick<InstallationPlace, "name" | "kind">): boolean {
  return kind === "system" && name === "default";
}

/** What `remotes.d` says of the remotes of the system's own installation; of no other one. */
export function predefinedRemotes(
  place: Pick<InstallationPlace, "name" | "kind">,
  environment: Environment = process.env,
): readonly RepoFile[] {
  if (!isOwnSystem(place)) return [];
  const found = new Map<string, RepoFile>();
  for (const { name, path } of predefinedFolders(environment).flatMap(repoFiles)) {
    const file = found.has(name) ? undefined : readRepoFile(path);
    if (file !== undefined && looksLikeLocation(file.url)) found.set(name, file);
  }
  return [...found.values()];
}

/**
 * Adds the remotes that `remotes.d` predefines to the configuration of the system's own installation, by Flatpak's
 * rules: each once, noted in `xa.applied-remotes`, so that one that was deleted or changed since stays so. Files that
 * cannot be read, or are for an OSTree repository, are passed over.
 */
export function applyPredefined(
  keyfile: Keyfile,
  place: Pick<InstallationPlace, "name" | "kind">,
  environment: Environment = process.env,
): void {
  if (!isOwnSystem(place)) return;
  for (const { name, path } of predefinedFolders(environment).flatMap(repoFiles)) {
    const applied = keyfile.getList("core", appliedKey) ?? [];
    if (!isRemoteName(name) || remoteNames(keyfile).includes(name) || applied.includes(name)) continue;
    const settings = readRepoFile(path);
    if (settings === undefined || !looksLikeLocation(settings.url)) continue;
    writeSettings(keyfile, name, { gpgVerify: false, ...settings });
    keyfile.setList("core", appliedKey, [...applied, name]);
  }
}
