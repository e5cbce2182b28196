// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { errnoOf, fileError } from "../base/errors.ts";
import { parseKeyfile } from "../formats/keyfile/parse.ts";
import { readPermissions } from "./permissions/codec.ts";
import { mergePermissions } from "./permissions/merge.ts";
import { noPermissions, type Permissions } from "./permissions/model.ts";

/** The file of an installation that changes the permissions of one app, or of all where `id` is undefined. */
function overridesPath(installation: string, id: string | undefined): string {
  return `${installation}/overrides/${id ?? "global"}`;
}

export interface OverrideSources {
  readonly id: string;
  /** Folder of the system installation; undefined for an app of the user's own, which its overrides do not touch. */
  readonly system: string | undefined;
  readonly user: string | undefined;
}

/** The overrides files that count for an app, lowest first: each installation's global one, then the app's own. */
export function overrideFiles(sources: OverrideSources): string[] {
  const installations = [sources.system, sources.user].filter((path) => path !== undefined);
  return installations.flatMap((path) => [overridesPath(path, undefined), overridesPath(path, sources.id)]);
}

/** Reads overrides files and merges them, lowest first; those that are missing say nothing. */
export function readOverrides(files: readonly string[]): Permissions {
  return files.reduce((lower, path) => mergePermissions(lower, readOverridesFile(path)), noPermissions);
}

function readOverridesFile(path: string): Permissions {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return noPermissions;
    throw fileError(error, "read", path);
  }
  return readPermissions(parseKeyfile(text, path));
}
