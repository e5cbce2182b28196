// SPDX-License-Identifier: Apache-2.0
import { realpathSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";

/**
 * The launcher that belongs to this program: `../../bin/dowel` from `PREFIX/lib/dowel/dowel-program`. When the program
 * runs from its source, `DOWEL_LAUNCHER`, or else the launcher in the source tree's `build` folder.
 */
export function launcherPath(): string {
  const program = realpathSync(process.execPath);
  if (basename(program) === "dowel-program") return resolve(dirname(program), "../../bin/dowel");
  return process.env["DOWEL_LAUNCHER"] ?? resolve(import.meta.dirname, "../../build/bin/dowel");
}
