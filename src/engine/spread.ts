// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";
import { getRemote, listRemotes } from "../remotes/config.ts";
import { findDeployments } from "../store/deployments.ts";
import type { Installation } from "../store/installation.ts";
import { createInstallation, openInstallation } from "../store/installation.ts";
import type { InstallationPlace } from "../store/places.ts";
import { type Choose, chooseOne } from "./choose.ts";
import { findInstalled, readName } from "./find.ts";
import {
  checkChangeable,
  type InstallationChoice,
  isChosen,
  isServed,
  isWritable,
  placesToRead,
  shownName,
} from "./places.ts";
import type { RefSelection } from "./types.ts";

/** What a command changes in one installation; no names mean everything there. */
export interface Share {
  readonly installation: Installation;
  readonly names: readonly string[];
}

export interface SpreadOptions extends RefSelection {
  /** Each name means one installation: where several have it, a person is asked, or it is an error. */
  readonly one?: boolean;
  readonly choose?: Choose | undefined;
}

function narrowToOne(name: string, having: readonly Installation[], choose: Choose | undefined): Installation {
  const names = having.map((installation) => shownName(installation));
  const error = new DowelError("REF_AMBIGUOUS", `${name} is in several installations: ${names.join(", ")}`, {
    hint: "Give --user, --system or --installation=NAME.",
  });
  const question = `${name} is in several installations. Which one?`;
  return chooseOne({ things: having, describe: shownName, question, choose, ambiguous: error });
}

/**
 * Spreads the names of a changing command over installations: those that were chosen get all names; else each name
 * goes to the installations that have it and that the caller can change, and no name at all means every installation that the caller can change.
 * Throws `NOT_INSTALLED` for a name that no installation has; that none of those that have it can be changed shows later.
 */
export function spreadNames(
  choice: InstallationChoice,
  names: readonly string[],
  selection: SpreadOptions,
): readonly Share[] {
  const places = placesToRead(choice);
  if (isChosen(choice)) return places.map((place) => ({ installation: installationToChange(place), names }));
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
    const meant = own.length > 0 ? own : having;
    const chosen = selection.one === true ? [narrowToOne(name, meant, selection.choose)] : meant;
    for (const installation of chosen) shares.set(installation, [...(shares.get(installation) ?? []), name]);
  }
  return [...shares].map(([installation, own]) => ({ installation, names: own }));
}

/** Opens an installation to be changed by this process or by the system service. */
export function installationToChange(place: InstallationPlace): Installation {
  return isServed(place) ? openInstallation(place) : createInstallation(place);
}

/** The first of the chosen installations that has a remote, open for changes. Throws `REMOTE_NOT_FOUND`. */
export function installationOfRemote(choice: InstallationChoice, name: string): Installation {
  const places = placesToRead(choice);
  const place = places.find((one) => listRemotes(one).some((remote) => remote.name === name)) ?? places[0];
  if (place === undefined) throw new Error("there is always an installation to read");
  getRemote(place, name);
  checkChangeable(place);
  return openInstallation(place);
}
