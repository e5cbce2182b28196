// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { namedPlaces, systemPlace, userPlace } from "../store/places.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** The folders of system installations, as `flatpak --installations` lists them: the default one first. */
export function systemFolders(environment: Environment, configured?: string): readonly string[] {
  return [systemPlace(environment), ...namedPlaces(configured)].map(({ path }) => path);
}

/**
 * `XDG_DATA_DIRS` with the folders of what apps export before everything else, those that it has already left where they
 * are (XDG Base Directory Specification 0.8). The same order as in `packaging/session.sh`.
 */
export function updatedDataDirs(environment: Environment, systemOnly: boolean, configured?: string): string {
  const [main = "", ...further] = systemFolders(environment, configured);
  const user = systemOnly ? [] : [userPlace(environment).path];
  const exported = [...user, ...further, main].map((folder) => join(folder, "exports/share"));
  const present = (environment["XDG_DATA_DIRS"] || "/usr/local/share:/usr/share").split(":");
  const known = new Set(present.map((folder) => folder.replace(/\/+$/, "")));
  return [...exported.filter((folder) => !known.has(folder)), ...present].join(":");
}
