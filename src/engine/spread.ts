// SPDX-License-Identifier: Apache-2.0

import { getRemote, listRemotes } from "../remotes/config.ts";
import { findDeployments } from "../store/deployments.ts";
import type { Installation } from "../store/installation.ts";
import { createInstallation, openInstallation } from "../store/installation.ts";
import { findInstalled, readName } from "./find.ts";
import { checkWritable, type InstallationChoice, isChosen, isWritable, placesToRead } from "./places.ts";
import type { RefSelection } from "./types.ts";

/** What a command changes in one installation; no names mean everything there. */
export interface Share {
  readonly installation: Installation;
  readonly names: readonly string[];
}

/**
 * Spreads the names of a changing command over installations: those that were chosen get all names; else each name
 * goes to the installations that have it and that the caller can change, and no name at all means every installation that the caller can change.
 * Throws `NOT_INSTALLED` for a name that no installation has; that none of those that have it can be changed shows later.
 */
export function spreadNames(
  choice: InstallationChoice,
  names: readonly string[],
  selection: RefSelection,
): readonly Share[] {
  const places = placesToRead(choice);
  if (isChosen(choice)) return places.map((place) => ({ installation: createInstallation(place), names }));
  const installations = places.map((place) => openInstallation(place));
  if (names.length === 0) {
    return installations.filter(({ path }) => isWritable(path)).map((installation) => ({ installation, names }));
  }
  const shares = new Map<Installation, string[]>();
  for (const name of names) {
    const wanted = readName(name, selection);
    const having = installations.filter((installation) => findDeployments(installation, wanted).length > 0);
    if (having.length === 0) findInstalled(installations, name, selection);
    const own = having.filter(({ path }) => isWritable(path));
    for (const installation of own.length > 0 ? own : having)
      shares.set(installation, [...(shares.get(installation) ?? []), name]);
  }
  return [...shares].map(([installation, own]) => ({ installation, names: own }));
}

/** The first of the chosen installations that has a remote, open for changes. Throws `REMOTE_NOT_FOUND`. */
export function installationOfRemote(choice: InstallationChoice, name: string): Installation {
  const places = placesToRead(choice);
  const place = places.find((one) => listRemotes(one).some((remote) => remote.name === name)) ?? places[0];
  if (place === undefined) throw new Error("there is always an installation to read");
  getRemote(place, name);
  checkWritable(place);
  return openInstallation(place);
}
