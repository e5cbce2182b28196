// SPDX-License-Identifier: Apache-2.0
import { renameSync } from "node:fs";
import { errnoOf } from "../base/errors.ts";
import { address, check, cString, syscall } from "./libc.ts";

/** renameat2's number (Linux 3.15): x86_64 has its own, aarch64 the one that newer architectures share. */
const renameat2 = process.arch === "x64" ? 316 : 276;
const AT_FDCWD = -100;
const RENAME_EXCHANGE = 2;

/** Swaps what two paths of one file system name, at once for everybody who looks (renameat2(2)). Throws a `SystemError`. */
function exchangePaths(left: string, right: string): void {
  const from = cString(left);
  const to = cString(right);
  check("renameat2", right, () => syscall(renameat2, AT_FDCWD, address(from), AT_FDCWD, address(to), RENAME_EXCHANGE));
}

/** Moves a folder; false where one of that name is there already and holds something. Throws a `SystemError`. */
export function renameUnlessThere(from: string, to: string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    if (["EEXIST", "ENOTEMPTY"].includes(errnoOf(error) ?? "")) return false;
    throw error;
  }
}

/** Puts a folder in the place of another, or where none is; what was there is then at `from`. Throws a `SystemError`. */
export function replaceFolder(from: string, to: string): void {
  if (!renameUnlessThere(from, to)) exchangePaths(from, to);
}
