// SPDX-License-Identifier: Apache-2.0
import { chmodSync, constants, readdirSync, rmSync } from "node:fs";
import { errnoOf, fileError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { Descriptor, O_PATH } from "../../sys/beneath.ts";

/** Lets the owner change every folder of a tree, so that it can be removed. No link is followed. */
function openFolders(parent: Descriptor, name: string, depth: number): void {
  if (depth > limits.pathDepth) return;
  {
    using folder = Descriptor.beneath(parent, name, O_PATH | constants.O_DIRECTORY);
    chmodSync(folder.path, 0o700);
  }
  using folder = Descriptor.beneath(parent, name, constants.O_RDONLY | constants.O_DIRECTORY);
  for (const entry of readdirSync(folder.path, { withFileTypes: true })) {
    if (entry.isDirectory()) openFolders(folder, entry.name, depth + 1);
  }
}

/** Removes a file or a tree by its name in an open folder, also folders that an app has closed to its own user. */
export function eraseBeneath(parent: Descriptor, name: string): void {
  const path = `${parent.path}/${name}`;
  const options = { recursive: true, force: true } as const;
  try {
    rmSync(path, options);
  } catch (error) {
    if (!["EACCES", "EPERM", "ENOTEMPTY"].includes(errnoOf(error) ?? "")) throw fileError(error, "remove", name);
    try {
      openFolders(parent, name, 1);
      rmSync(path, options);
    } catch (second) {
      throw fileError(second, "remove", name);
    }
  }
}
