// SPDX-License-Identifier: Apache-2.0
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DowelError, errnoOf, fileError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { Keyfile } from "../formats/keyfile/keyfile.ts";
import { parseKeyfile } from "../formats/keyfile/parse.ts";
import { writeFileDurably } from "../sys/durability.ts";
import { lockFile } from "../sys/locks.ts";
import { readPlainFile } from "../sys/plainfile.ts";
import type { Installation } from "./installation.ts";

type Place = Pick<Installation, "path">;

const group = "core";

/** What an installation keeps in `[core]`, as lists; keys that Flatpak has in the config of its repository have its names. */
const settingKeys = {
  languages: "xa.languages",
  extraLanguages: "xa.extra-languages",
  masked: "xa.masked",
  pinned: "xa.pinned",
  preinstalled: "xa.preinstalled",
  keepVersions: "xa.keep-versions",
  sideloadRepos: "xa.sideload-repos",
  updateOnMetered: "xa.update-on-metered",
  updateOnBattery: "xa.update-on-battery",
} as const;

export type SettingName = keyof typeof settingKeys;

/** What was set in an installation; what was not is absent. */
export type Settings = ReadonlyMap<SettingName, readonly string[]>;

/** The file that has the remotes, too. */
function settingsPath(installation: Place): string {
  return join(installation.path, "remotes.conf");
}

function readFile(installation: Place): Keyfile {
  const path = settingsPath(installation);
  try {
    return parseKeyfile(readPlainFile(path), path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return new Keyfile();
    throw fileError(error, "read", path);
  }
}

/** The settings of an installation. Throws `KEYFILE_SYNTAX` and `IO`. */
export function readSettings(installation: Place): Settings {
  const keyfile = readFile(installation);
  const result = new Map<SettingName, readonly string[]>();
  for (const [name, key] of Object.entries(settingKeys) as [SettingName, string][]) {
    const values = keyfile.getList(group, key);
    if (values !== undefined) result.set(name, values);
  }
  return result;
}

/**
 * Changes one setting under the lock of the file: `change` takes what is set and answers what is to be, undefined to
 * take it away.
 */
export async function changeSetting(
  installation: Place,
  name: SettingName,
  change: (values: readonly string[] | undefined) => readonly string[] | undefined,
  signal?: AbortSignal,
): Promise<void> {
  const path = settingsPath(installation);
  try {
    mkdirSync(installation.path, { recursive: true });
    using _lock = await lockFile(`${path}.lock`, { exclusive: true, signal });
    const keyfile = readFile(installation);
    const key = settingKeys[name];
    const before = keyfile.toString();
    const values = change(keyfile.getList(group, key));
    if (values === undefined) keyfile.remove(group, key);
    else keyfile.setList(group, key, values);
    const after = keyfile.toString();
    if (after !== before) writeFileDurably(path, after);
  } catch (error) {
    throw fileError(error, "change", path);
  }
}

/** A number of versions to keep beside the active one. Throws `USAGE` for what is none. */
export function parseKeptVersions(text: string): number {
  const count = /^[0-9]{1,4}$/.test(text) ? Number(text) : Number.NaN;
  if (count <= limits.keptVersions) return count;
  throw new DowelError("USAGE", `${text}: not a number of versions to keep; expected 0 to ${limits.keptVersions}`);
}

/**
 * How many versions of a ref stay beside the active one, to go back to: what was set, else one. Throws `SCHEMA` where that
 * is no such number.
 */
export function keptVersions(installation: Place): number {
  const [text = ""] = readSettings(installation).get("keepVersions") ?? [];
  if (text === "") return 1;
  try {
    return parseKeptVersions(text);
  } catch (cause) {
    const path = settingsPath(installation);
    const expected = `a number from 0 to ${limits.keptVersions}`;
    throw new DowelError("SCHEMA", `${path}: [${group}] ${settingKeys.keepVersions} must be ${expected}`, { cause });
  }
}
