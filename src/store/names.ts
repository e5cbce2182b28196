// SPDX-License-Identifier: Apache-2.0
import { type Dirent, readdirSync } from "node:fs";
import { errnoOf, fileError } from "../base/errors.ts";

/** The names in a folder, in no order; none where there is no such folder. Throws `IO` and `NOT_PERMITTED`. */
export function namesIn(folder: string): string[] {
  return orNothing(folder, () => readdirSync(folder));
}

/** As `namesIn`, with what each name is. */
export function entriesIn(folder: string): Dirent[] {
  return orNothing(folder, () => readdirSync(folder, { withFileTypes: true }));
}

function orNothing<T>(folder: string, read: () => T[]): T[] {
  try {
    return read();
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return [];
    throw fileError(error, "read", folder);
  }
}
