// SPDX-License-Identifier: Apache-2.0
import { realpathSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";

/**
 * Where a program lies, by the kernel's link to it: when another has taken its place, as at an upgrade while a service
 * runs, the link has a note at its end (proc_pid_exe(5)), and what lies there now is the program to go on with.
 */
export function programPath(link: string = process.execPath): string {
  return link.replace(/ \(deleted\)$/, "");
}

/**
 * The launcher that belongs to this program: `../../bin/dowel` from `PREFIX/lib/dowel/dowel-program`. When the program
 * runs from its source, `DOWEL_LAUNCHER`, or else the launcher in the source tree's `build` folder.
 */
export function launcherPath(): string {
  const program = realpathSync(programPath());
  if (basename(program) === "dowel-program") return resolve(dirname(program), "../../bin/dowel");
  return process.env["DOWEL_LAUNCHER"] ?? resolve(import.meta.dirname, "../../build/bin/dowel");
}
