// SPDX-License-Identifier: Apache-2.0
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { errnoOf } from "../base/errors.ts";
import type { Installation } from "../store/installation.ts";
import { readSettings } from "../store/settings.ts";

/** Where layouts lie, or links to them, for everybody until the next start: Flatpak has such a folder, too. */
const sessionFolder = "/run/dowel/sideload-repos";

/** Folders in which media or layouts may be: what is configured, then the ones that always count. */
export function mediaFolders(installation: Pick<Installation, "path">): readonly string[] {
  const configured = readSettings(installation).get("sideloadRepos") ?? [];
  return [...configured, sessionFolder, join(installation.path, "sideload-repos")];
}

/** Whether an installation may find images on media: then a remote that cannot be reached may be of use. */
export function mayHaveMedia(installation: Pick<Installation, "path">): boolean {
  return readSettings(installation).get("sideloadRepos") !== undefined || mediaFolders(installation).some(hasEntries);
}

function hasEntries(folder: string): boolean {
  return namesIn(folder).length > 0;
}

/** Names in a folder; none where it cannot be read. */
export function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (errnoOf(error) !== undefined) return [];
    throw error;
  }
}
