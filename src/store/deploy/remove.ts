// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileError } from "../../base/errors.ts";
import { syncFolder } from "../../sys/durability.ts";
import { openWithin } from "../folderwithin.ts";
import type { Installation } from "../installation.ts";

/**
 * Removes a folder of the installation so that nobody ever sees half of it: renamed into `tmp/`, then deleted. No link is
 * followed on the way to either.
 */
export function removeFolder(installation: Installation, path: string): void {
  try {
    using parent = openWithin(installation, dirname(path));
    using tmp = openWithin(installation, installation.tmp);
    const staged = mkdtempSync(join(tmp.path, "removed-"));
    renameSync(join(parent.path, basename(path)), join(staged, basename(path)));
    syncFolder(parent.path);
    rmSync(staged, { recursive: true, force: true });
  } catch (error) {
    throw fileError(error, "remove", path);
  }
}
