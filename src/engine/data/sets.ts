// SPDX-License-Identifier: Apache-2.0
import { constants, lstatSync, mkdirSync, readdirSync, realpathSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { DowelError, errnoOf, fileError } from "../../base/errors.ts";
import { overridesPath } from "../../metadata/overrides.ts";
import { dataName, defaultProfile, parseProfile, splitDataName } from "../../metadata/profile.ts";
import { isValidId } from "../../metadata/ref.ts";
import { appFolderOf, runFolder } from "../../sandbox/run-folder.ts";
import { dataFolderOf } from "../../sandbox/spec/home.ts";
import { userPlace } from "../../store/places.ts";
import { Descriptor, makeFoldersBeneath } from "../../sys/beneath.ts";
import { tryLockFolder } from "../../sys/locks.ts";
import { eraseBeneath } from "./erase.ts";

/** What an app keeps under one profile. */
export interface DataSet {
  readonly id: string;
  /** Undefined: the app's first. */
  readonly profile: string | undefined;
  /** `ID` or `ID@PROFILE`. */
  readonly name: string;
  /** `~/.var/app/NAME`. */
  readonly path: string;
  /** The user's overrides for it, whether or not there are any. */
  readonly overrides: string;
}

/** The caller's home without links on the way. */
function homeFolder(): string {
  const home = process.env["HOME"] ?? homedir();
  try {
    return realpathSync(home);
  } catch (error) {
    throw fileError(error, "find the home folder", home);
  }
}

/** Throws `REF_INVALID` for what is no id, and `USAGE` for what is no profile. */
export function dataSet(id: string, profile: string | undefined): DataSet {
  if (!isValidId(id)) throw new DowelError("REF_INVALID", `${JSON.stringify(id)} is not the id of an app`);
  return setOf(id, parseProfile(profile));
}

function setOf(id: string, profile: string | undefined): DataSet {
  const name = dataName(id, profile);
  const overrides = overridesPath(userPlace().path, name);
  return { id, profile, name, path: dataFolderOf(homeFolder(), name), overrides };
}

/** How people name a set. */
export function describeSet({ id, profile }: DataSet): string {
  return `profile ${profile ?? defaultProfile} of ${id}`;
}

/** All sets of data there are, of one app or of all, sorted by name. */
export function listSets(id?: string): DataSet[] {
  if (id !== undefined) dataSet(id, undefined);
  const folder = dataFolderOf(homeFolder(), "").replace(/\/$/, "");
  let names: string[];
  try {
    names = readdirSync(folder, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw fileError(error, "read", folder);
  }
  const found = names.sort().map(splitDataName);
  return found.flatMap((one) =>
    one !== undefined && isValidId(one.id) && (id === undefined || one.id === id) ? [setOf(one.id, one.profile)] : [],
  );
}

export function hasData(set: DataSet): boolean {
  return lstatSync(set.path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** Throws `DATA_NOT_FOUND` where a set has no data, with the names of those that have. */
export function requireData(set: DataSet): void {
  if (hasData(set)) return;
  const others = listSets(set.id).map(({ profile }) => profile ?? defaultProfile);
  throw new DowelError("DATA_NOT_FOUND", `There are no data for the ${describeSet(set)}`, {
    hint: others.length === 0 ? `${set.id} has none at all.` : `There are: ${others.join(", ")}.`,
  });
}

/** Throws `DATA_EXISTS` where a set has data or overrides already. */
export function requireFree(set: DataSet): void {
  if (lstatSync(set.path, { throwIfNoEntry: false }) === undefined) return;
  throw new DowelError("DATA_EXISTS", `There are data for the ${describeSet(set)} already`, {
    hint: "Choose another name, or remove them with: dowel profile remove",
  });
}

/** Whether an instance of the app runs with this set. */
export function isRunning(set: DataSet): boolean {
  const path = appFolderOf(runFolder(), set.name);
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return false;
  using lock = tryLockFolder(path);
  return lock === undefined;
}

/**
 * Keeps the app from being started with this set while it is worked on: a start takes the same lock and waits. Throws
 * `APP_RUNNING` where it runs.
 */
export function holdSet(set: DataSet): Disposable {
  const path = appFolderOf(runFolder(), set.name);
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const lock = tryLockFolder(path);
  if (lock !== undefined) return lock;
  throw new DowelError("APP_RUNNING", `${set.id} runs with the ${describeSet(set)}`, {
    hint: "End it first, so that nothing changes meanwhile.",
  });
}

/** Opens the folder of a set's data, no link on the way. Throws `HOST_PATH_UNSAFE` where one is. */
export function openData(set: DataSet): Descriptor {
  return openBelowHome(set, `.var/app/${set.name}`);
}

/** Opens the folder of all apps' data, made where it is missing. */
export function openAllData(set: DataSet): Descriptor {
  using home = Descriptor.open(homeFolder(), constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    return makeFoldersBeneath(home, [".var", "app"], 0o755);
  } catch (error) {
    throw unsafe(error, set);
  }
}

function openBelowHome(set: DataSet, path: string): Descriptor {
  using home = Descriptor.open(homeFolder(), constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    return Descriptor.beneath(home, path, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (error) {
    throw unsafe(error, set);
  }
}

function unsafe(error: unknown, { path }: DataSet): DowelError {
  if (!["ELOOP", "ENOTDIR", "EXDEV"].includes(errnoOf(error) ?? "")) return fileError(error, "open", path);
  return new DowelError("HOST_PATH_UNSAFE", `${path} leads through a link, or is not a folder`, { cause: error });
}

/** Removes what a set keeps; a profile's overrides go with it, those of the app stay. */
export function eraseSet(set: DataSet): void {
  using all = openAllData(set);
  eraseBeneath(all, set.name);
  try {
    if (set.profile !== undefined) rmSync(set.overrides, { force: true });
  } catch (error) {
    throw fileError(error, "remove", set.overrides);
  }
}
