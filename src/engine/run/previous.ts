// SPDX-License-Identifier: Apache-2.0
import { constants, lstatSync, renameSync, symlinkSync } from "node:fs";
import { errnoOf, fileError } from "../../base/errors.ts";
import { Descriptor } from "../../sys/beneath.ts";

function openApps(home: string): Descriptor | undefined {
  try {
    using root = Descriptor.open(home, constants.O_RDONLY | constants.O_DIRECTORY);
    return Descriptor.beneath(root, ".var/app", constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (error) {
    // Where a link lies on the way, what makes the app's folder says so.
    if (["ENOENT", "ENOTDIR", "ELOOP"].includes(errnoOf(error) ?? "")) return undefined;
    throw fileError(error, "open", `${home}/.var/app`);
  }
}

/**
 * Gives a renamed app the data that it kept under its newest earlier id, unless it has data of its own already; a link
 * under the old name leads to it then.
 */
export function migrateData(home: string, id: string, previousIds: readonly string[]): void {
  if (previousIds.length === 0) return;
  using apps = openApps(home);
  if (apps === undefined) return;
  const statusOf = (name: string) => lstatSync(`${apps.path}/${name}`, { throwIfNoEntry: false });
  if (statusOf(id) !== undefined) return;
  const old = previousIds.findLast((name) => statusOf(name)?.isDirectory() === true);
  if (old === undefined) return;
  try {
    renameSync(`${apps.path}/${old}`, `${apps.path}/${id}`);
    symlinkSync(id, `${apps.path}/${old}`);
  } catch (error) {
    throw fileError(error, `move the app's data to ${home}/.var/app/${id} from`, old);
  }
}
