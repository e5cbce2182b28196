// SPDX-License-Identifier: Apache-2.0
import { constants, mkdirSync, symlinkSync, utimesSync } from "node:fs";
import { dirname } from "node:path";
import { DowelError, errnoOf, fileError } from "../../base/errors.ts";
import { appFolderOf } from "../../sandbox/run-folder.ts";
import type { MountPoint, Specification } from "../../sandbox/spec/types.ts";
import { Descriptor, makeFoldersBeneath, openBeneath } from "../../sys/beneath.ts";

const creation = constants.O_RDONLY | constants.O_CREAT | constants.O_NONBLOCK;

/** What an app has put in the place of a link stays: only the app itself would have used it. */
function makeLink(folder: Descriptor, name: string, to: string): void {
  try {
    symlinkSync(to, `${folder.path}/${name}`);
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw error;
  }
}

function makeEntry(root: Descriptor, entry: MountPoint): void {
  const { path, kind } = entry;
  const folder = kind === "directory" ? path : dirname(path);
  using made = makeFoldersBeneath(root, folder.split("/"), 0o755);
  if (kind === "directory") return;
  const name = path.slice(folder.length + 1);
  if (kind === "symlink") makeLink(made, name, entry.to);
  else new Descriptor(openBeneath(made.fd, name, creation, 0o644))[Symbol.dispose]();
}

/**
 * Makes folders, empty files and links below the home or another folder, never through a link: what lies there is the app's to
 * change. Paths are relative to the folder. Throws `HOST_PATH_UNSAFE` where a link or something else is in the way.
 */
export function makeBelow(folder: string, entries: readonly MountPoint[]): void {
  using root = openFolder(folder);
  for (const entry of entries) {
    const { path, kind } = entry;
    try {
      makeEntry(root, entry);
    } catch (error) {
      const errno = errnoOf(error) ?? "";
      if (!["ELOOP", "ENOTDIR", "EXDEV", "EISDIR", "ENXIO"].includes(errno)) {
        throw fileError(error, "create", `${folder}/${path}`);
      }
      throw new DowelError("HOST_PATH_UNSAFE", `${folder}/${path} leads through a link, or is not a ${kind}`, {
        hint: "The app could have put it there. Replace it by a real one, or remove it.",
        cause: error,
      });
    }
  }
}

function openFolder(path: string): Descriptor {
  try {
    return Descriptor.open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (error) {
    throw fileError(error, "open", path);
  }
}

/** Makes the host folders that `:create` asks for; answers whether there were any. */
export function makeWanted(specification: Specification): boolean {
  for (const path of specification.create) {
    try {
      mkdirSync(path, { recursive: true, mode: 0o755 });
    } catch (error) {
      throw fileError(error, "create", path);
    }
  }
  return specification.create.length > 0;
}

/** Makes the app's own part of the caller's runtime folder, where there is one. */
export function makeRuntimeFolder(session: string | undefined, name: string): void {
  if (session === undefined) return;
  const path = `${session}/app/${name}`;
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw fileError(error, "create", path);
  }
}

/**
 * Makes the folder that all running instances of an app share, in the caller's run folder, and says that it is used: the
 * sweep leaves it alone then.
 */
export function makeAppFolder(runFolder: string, name: string): void {
  const path = appFolderOf(runFolder, name);
  try {
    for (const below of ["tmp", "run", "shm"]) mkdirSync(`${path}/${below}`, { recursive: true, mode: 0o700 });
    const now = new Date();
    utimesSync(path, now, now);
  } catch (error) {
    throw fileError(error, "create", path);
  }
}
