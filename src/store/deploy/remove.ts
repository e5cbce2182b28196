// SPDX-License-Identifier: Apache-2.0
import { constants, mkdtempSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { fileError } from "../../base/errors.ts";
import { Descriptor, O_PATH } from "../../sys/beneath.ts";
import { syncFolder } from "../../sys/durability.ts";
import type { Installation } from "../installation.ts";

/**
 * Removes a folder of the installation so that nobody ever sees half of it: renamed into `tmp/`, then deleted. No link is
 * followed on the way to either.
 */
export function removeFolder(installation: Installation, path: string): void {
  try {
    using top = Descriptor.open(installation.path, O_PATH | constants.O_DIRECTORY);
    using parent = Descriptor.beneath(
      top,
      relative(installation.path, dirname(path)) || ".",
      O_PATH | constants.O_DIRECTORY,
    );
    using tmp = Descriptor.beneath(top, relative(installation.path, installation.tmp), O_PATH | constants.O_DIRECTORY);
    const staged = mkdtempSync(join(tmp.path, "removed-"));
    renameSync(join(parent.path, basename(path)), join(staged, basename(path)));
    syncFolder(parent.path);
    rmSync(staged, { recursive: true, force: true });
  } catch (error) {
    throw fileError(error, "remove", path);
  }
}
