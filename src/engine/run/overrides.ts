// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import {
  changeOverrides,
  formatOverrides,
  overridesPath,
  readOverrides,
  resetOverrides,
} from "../../metadata/overrides.ts";
import { applyPermissionOption } from "../../metadata/permissions/options.ts";
import { dataName, parseProfile } from "../../metadata/profile.ts";
import { isValidId } from "../../metadata/ref.ts";
import { type InstallationChoice, isChosen, placeForAdding, placesToRead } from "../places.ts";

/**
 * The name of an overrides file for an app and one of its profiles; undefined for all apps. Throws `REF_INVALID` for what
 * is no id, and `USAGE` for what is no profile.
 */
export function overridesName(id: string | undefined, profile: string | undefined): string | undefined {
  const name = parseProfile(profile);
  if (id === undefined) {
    if (name === undefined) return undefined;
    throw new DowelError("USAGE", "A profile is one of an app", { hint: "Name the app." });
  }
  if (isValidId(id)) return dataName(id, name);
  throw new DowelError("REF_INVALID", `${JSON.stringify(id)} is not the id of an app`, {
    hint: "Overrides are for all branches and architectures: give the id alone, such as org.example.App.",
  });
}

/** The text of what an installation overrides; without a choice root sees the system's, others their own. */
export function showOverrides(choice: InstallationChoice, name: string | undefined): string {
  const kind = process.getuid?.() === 0 ? "system" : "user";
  const places = placesToRead(choice).filter((place) => isChosen(choice) || place.kind === kind);
  const files = (isChosen(choice) ? places : places.slice(0, 1)).map((place) => overridesPath(place.path, name));
  return formatOverrides(readOverrides(files));
}

/**
 * Puts permission options over what one installation overrides for an app, or for all. Throws `PERMISSION_INVALID`
 * before anything is changed.
 */
export async function addOverrides(
  choice: InstallationChoice,
  name: string | undefined,
  options: readonly string[],
  signal?: AbortSignal,
): Promise<void> {
  const { path } = placeForAdding(choice);
  await changeOverrides(path, name, (before) => options.reduce(applyPermissionOption, before), signal);
}

/** Takes back all that one installation overrides for an app, or for all apps. */
export async function dropOverrides(
  choice: InstallationChoice,
  name: string | undefined,
  signal?: AbortSignal,
): Promise<void> {
  await resetOverrides(placeForAdding(choice).path, name, signal);
}
