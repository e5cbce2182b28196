// SPDX-License-Identifier: Apache-2.0
import { renameSync, rmdirSync, rmSync, unlinkSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { errnoOf, fileError } from "../../base/errors.ts";
import type { Descriptor } from "../../sys/beneath.ts";
import { openWithin } from "../folderwithin.ts";
import type { Installation } from "../installation.ts";

type Place = Pick<Installation, "path">;

/**
 * Deletes what lies at a path of an installation, whatever it is; nothing where nothing does. No link is followed, on the
 * way or below, even one that is made meanwhile: nothing outside of the installation can be meant.
 */
export function removeWithin(installation: Place, path: string): void {
  try {
    using parent = openWithin(installation, dirname(path));
    rmSync(join(parent.path, basename(path)), { recursive: true, force: true });
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw fileError(error, "remove", path);
  }
}

/**
 * Takes away what somebody put in the place of a file: an empty folder goes, and so does what has no content (a link, a
 * socket, a device). A folder with something in it may be dear to somebody, so it gets another name. Answers that name.
 */
export function setAside(installation: Place, path: string): string | undefined {
  using parent = openWithin(installation, dirname(path));
  const there = join(parent.path, basename(path));
  try {
    unlinkSync(there);
    return undefined;
  } catch (error) {
    if (errnoOf(error) !== "EISDIR" && errnoOf(error) !== "EPERM") throw fileError(error, "remove", path);
  }
  try {
    rmdirSync(there);
    return undefined;
  } catch (error) {
    if (errnoOf(error) !== "ENOTEMPTY") throw fileError(error, "remove", path);
  }
  return moveAside(parent, path);
}

function moveAside(parent: Descriptor, path: string): string {
  for (let number = 1; ; number += 1) {
    const name = `${basename(path)}.aside-${number}`;
    try {
      // Over another folder only where that is empty.
      renameSync(join(parent.path, basename(path)), join(parent.path, name));
      return join(dirname(path), name);
    } catch (error) {
      if (!["ENOTEMPTY", "EEXIST", "ENOTDIR"].includes(errnoOf(error) ?? "")) throw fileError(error, "set aside", path);
    }
  }
}
