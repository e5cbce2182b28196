// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileError } from "../../base/errors.ts";
import { syncFolder } from "../../sys/durability.ts";
import type { Installation } from "../installation.ts";

/** Removes a folder of the installation so that nobody ever sees half of it: renamed into `tmp/`, then deleted. */
export function removeFolder(installation: Installation, path: string): void {
  try {
    const staged = mkdtempSync(join(installation.tmp, "removed-"));
    renameSync(path, join(staged, basename(path)));
    syncFolder(dirname(path));
    rmSync(staged, { recursive: true, force: true });
  } catch (error) {
    throw fileError(error, "remove", path);
  }
}
