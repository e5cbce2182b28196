// SPDX-License-Identifier: Apache-2.0
import { existsSync } from "node:fs";
import { placesToRead } from "../../../engine/places.ts";
import type { Keyfile } from "../../../formats/keyfile/keyfile.ts";
import { formatRef, parseRef } from "../../../metadata/ref.ts";
import { activeDeployment, refFolder } from "../../../store/deployments.ts";
import type { InstallationPlace } from "../../../store/places.ts";

/** What a running app is a version of. */
export interface InstalledApp {
  readonly ref: string;
  readonly place: InstallationPlace;
  /** Holds the versions, and the link to the active one. */
  readonly folder: string;
  /** The commit that runs. */
  readonly running: string;
}

/** The option of commands that means a place. */
export function placeOption({ kind, name }: InstallationPlace): string {
  if (kind === "user") return "--user";
  return name === "default" ? "--system" : `--installation=${name}`;
}

/** Where the app of an instance is installed, by what the launcher noted; undefined where it is not. */
export function installedApp(info: Keyfile): InstalledApp | undefined {
  const own = (key: string): string => info.get("Instance", key) ?? "";
  const running = own("app-commit");
  const ref = `app/${info.get("Application", "name") ?? ""}/${own("arch")}/${own("branch")}`;
  for (const place of placesToRead({})) {
    const folder = refFolder(place, parseRef(ref));
    if (running !== "" && existsSync(`${folder}/${running}`)) return { ref, place, folder, running };
  }
  return undefined;
}

/** The commit that the next start takes, and the remote that it came from; undefined where the app is gone. */
export function activeVersion({ place, ref }: InstalledApp): { commit: string; origin: string } | undefined {
  return activeDeployment(place, parseRef(ref));
}

/** For messages and keys. */
export function nameOf({ place, ref }: InstalledApp): string {
  return `${place.path} ${formatRef(parseRef(ref))}`;
}
