// SPDX-License-Identifier: Apache-2.0
import { accessSync, constants } from "node:fs";
import { dirname } from "node:path";
import { DowelError, errnoOf } from "../base/errors.ts";
import { type InstallationPlace, namedPlace, namedPlaces, systemPlace, userPlace } from "../store/places.ts";

/** What `--user`, `--system` and `--installation=NAME` say. */
export interface InstallationChoice {
  readonly user?: boolean | undefined;
  readonly system?: boolean | undefined;
  readonly names?: readonly string[] | undefined;
}

function chosenPlaces(choice: InstallationChoice): InstallationPlace[] {
  return [
    ...(choice.user === true ? [userPlace()] : []),
    ...(choice.system === true ? [systemPlace()] : []),
    ...(choice.names ?? []).map((name) => namedPlace(name)),
  ];
}

/** Whether the user named any installation. */
export function isChosen(choice: InstallationChoice): boolean {
  return choice.user === true || choice.system === true || (choice.names ?? []).length > 0;
}

/** The installations that a command reads: those named, else all; the user's first, then by priority. */
export function placesToRead(choice: InstallationChoice): readonly InstallationPlace[] {
  const chosen = chosenPlaces(choice);
  if (chosen.length > 0) return chosen;
  const shared = [systemPlace(), ...namedPlaces()].sort((left, right) => right.priority - left.priority);
  return [userPlace(), ...shared];
}

function onePlace(choice: InstallationChoice): InstallationPlace {
  const [chosen, second] = chosenPlaces(choice);
  if (second !== undefined) {
    throw new DowelError("USAGE", "Only one installation can be added to", {
      hint: "Give one of --user, --system and --installation=NAME.",
    });
  }
  return chosen ?? (process.getuid?.() === 0 ? systemPlace() : userPlace());
}

/**
 * The one installation that a command adds to: the one named; else the system's for root, and the user's own for
 * everybody else. Throws `USAGE` where several are named and `NOT_PERMITTED` where the caller cannot write there.
 */
export function placeForAdding(choice: InstallationChoice): InstallationPlace {
  const place = onePlace(choice);
  checkWritable(place);
  return place;
}

/** The same, where one that the caller cannot write to may be changed through the system service. */
export function placeToChange(choice: InstallationChoice): InstallationPlace {
  const place = onePlace(choice);
  checkChangeable(place);
  return place;
}

/** Whether an installation is changed through the system service: it is not the caller's own to write to. */
export function isServed({ kind, path }: Pick<InstallationPlace, "kind" | "path">): boolean {
  return kind === "system" && process.geteuid?.() !== 0 && !isWritable(path);
}

/** Throws `NOT_PERMITTED` where the caller cannot change an installation, nor the system service for it. */
export function checkChangeable(place: InstallationPlace): void {
  if (!isServed(place)) checkWritable(place);
}

/** Throws `NOT_PERMITTED` where the caller cannot change an installation. */
export function checkWritable(place: InstallationPlace): void {
  if (isWritable(place.path)) return;
  const isRoot = process.geteuid?.() === 0;
  throw new DowelError("NOT_PERMITTED", `Cannot change the installation ${place.name} in ${place.path}`, {
    hint: isRoot
      ? "Check whether its file system is mounted read-only."
      : place.kind === "system"
        ? "Run it as root, or use --user."
        : "Check who owns the folder.",
  });
}

/** Whether the caller can change an installation's folder, or make it. */
export function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
    return true;
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") return false;
    const parent = dirname(path);
    return parent !== path && isWritable(parent);
  }
}

/** The name of an installation as people see it. */
export function shownName(installation: Pick<InstallationPlace, "name" | "kind">): string {
  return installation.name === "default" && installation.kind === "system" ? "system" : installation.name;
}
