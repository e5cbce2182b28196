// SPDX-License-Identifier: Apache-2.0
import { lstatSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Installation } from "./installation.ts";

const writableByOthers = 0o022;
const sticky = 0o1000;

/**
 * Whether only root can change what an installation holds, itself or by way of a folder above it. The kernel must never
 * read an EROFS image that a user could have made, so only images of such installations are mounted.
 */
export function isRootsOwn(installation: Pick<Installation, "path" | "images" | "objects">): boolean {
  for (const folder of [installation.path, installation.images, installation.objects]) {
    const { uid, mode } = lstatSync(folder);
    if (uid !== 0 || (mode & writableByOthers) !== 0) return false;
  }
  for (let path = installation.path; path !== "/"; path = dirname(path)) {
    const above = lstatSync(join(path, ".."));
    // In a sticky folder others may make files, but not move or replace those of root.
    if (above.uid !== 0 || ((above.mode & writableByOthers) !== 0 && (above.mode & sticky) === 0)) return false;
  }
  return true;
}
