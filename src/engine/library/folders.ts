// SPDX-License-Identifier: Apache-2.0
import { readFileSync, realpathSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { DowelError, errnoOf, fileError } from "../../base/errors.ts";
import { type LibraryFolder, libraryPath, libraryShelf, parseLibrary } from "../../metadata/library.ts";
import { splitDataName } from "../../metadata/profile.ts";
import { isValidId } from "../../metadata/ref.ts";
import { userPlace } from "../../store/places.ts";
import { mediumOf } from "../../sys/medium.ts";
import { isWithin, type Mount, mountOf, readMounts } from "../../sys/mountinfo.ts";
import { instancesFolder } from "../run/instances.ts";

/** A folder that was picked for an app, and whether it is there now. */
export interface FoundFolder extends LibraryFolder {
  readonly available: boolean;
  /** Where the sandbox has it. */
  readonly shown: string;
  /** `st_dev` of what a medium has to lie on. */
  readonly device: number | undefined;
  /** Changes with the mounts that make up what is shown. */
  readonly mounts: string;
}

/** A user's libraries, and where what runs of their apps is noted. */
export interface LibraryPlace {
  /** The user's own installation. */
  readonly installation: string;
  /** Folder of all instances of the user. */
  readonly instances: string;
  readonly home: string;
}

/** The caller's own. */
export function ownPlace(environment: Readonly<Record<string, string | undefined>> = process.env): LibraryPlace {
  const home = environment["HOME"] || homedir();
  return { installation: userPlace(environment).path, instances: instancesFolder(), home };
}

/** A folder without links on the way, where it is there. */
function withoutLinks(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

/** The same, with paths that have no links on the way. */
export function realPlace(place: LibraryPlace): LibraryPlace {
  return { ...place, installation: withoutLinks(place.installation), home: withoutLinks(place.home) };
}

/** The file with the folders of an app, or of a profile of it (`ID@PROFILE`). Throws `USAGE` for what is no such name. */
export function fileOf(place: LibraryPlace, name: string): string {
  if (isValidId(splitDataName(name)?.id ?? "")) return libraryPath(place.installation, name);
  throw new DowelError("USAGE", `${JSON.stringify(name)} is no id of an app, nor one with '@' and a profile`);
}

/** The folders that were picked for an app. Throws `LIBRARY_INVALID`. @param name `ID` or `ID@PROFILE` */
export function readLibrary(place: LibraryPlace, name: string): readonly LibraryFolder[] {
  const path = fileOf(place, name);
  try {
    return parseLibrary(readFileSync(path, "utf8"), path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw errnoOf(error) === undefined ? error : fileError(error, "read", path);
  }
}

/** Whether a folder is there, and no link on the way to it. */
function isFolder(path: string): boolean {
  return withoutLinks(path) === path && statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

function findFolder(folder: LibraryFolder, home: string, mounts: readonly Mount[]): FoundFolder {
  const { path, name } = folder;
  const medium = mediumOf(path, home, mounts);
  const isRight = folder.medium === undefined || folder.medium === medium?.identity;
  const below = mounts.filter(({ target }) => isWithin(target, path));
  return {
    ...folder,
    shown: `${libraryShelf}/${name}`,
    // Whether it is there on another machine is seen when it is to be shown.
    available: isRight && (medium?.isRemote === true || isFolder(path)),
    device: folder.medium === undefined ? undefined : medium?.device,
    mounts: [mountOf(path, mounts), ...below].map((mount) => mount?.id).join(" "),
  };
}

/** The folders that were picked for an app, as they are now. Throws `LIBRARY_INVALID`. */
export function findFolders(place: LibraryPlace, name: string): readonly FoundFolder[] {
  const folders = readLibrary(place, name);
  if (folders.length === 0) return [];
  const [{ home }, mounts] = [realPlace(place), readMounts()];
  return folders.map((folder) => findFolder(folder, home, mounts));
}
