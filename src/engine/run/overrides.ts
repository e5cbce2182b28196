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
import { isValidId } from "../../metadata/ref.ts";
import { type InstallationChoice, isChosen, placeForAdding, placesToRead } from "../places.ts";

/** An id that names a file must be one; undefined stands for all apps. Throws `REF_INVALID`. */
function checkId(id: string | undefined): void {
  if (id === undefined || isValidId(id)) return;
  throw new DowelError("REF_INVALID", `${JSON.stringify(id)} is not the id of an app`, {
    hint: "Overrides are for all branches and architectures: give the id alone, such as org.example.App.",
  });
}

/** The text of what an installation overrides; without a choice root sees the system's, others their own. */
export function showOverrides(choice: InstallationChoice, id: string | undefined): string {
  checkId(id);
  const kind = process.getuid?.() === 0 ? "system" : "user";
  const places = placesToRead(choice).filter((place) => isChosen(choice) || place.kind === kind);
  const files = (isChosen(choice) ? places : places.slice(0, 1)).map((place) => overridesPath(place.path, id));
  return formatOverrides(readOverrides(files));
}

/**
 * Puts permission options over what one installation overrides for an app, or for all. Throws `PERMISSION_INVALID`
 * before anything is changed.
 */
export async function addOverrides(
  choice: InstallationChoice,
  id: string | undefined,
  options: readonly string[],
  signal?: AbortSignal,
): Promise<void> {
  checkId(id);
  const { path } = placeForAdding(choice);
  await changeOverrides(path, id, (before) => options.reduce(applyPermissionOption, before), signal);
}

/** Takes back all that one installation overrides for an app, or for all apps. */
export async function dropOverrides(
  choice: InstallationChoice,
  id: string | undefined,
  signal?: AbortSignal,
): Promise<void> {
  checkId(id);
  await resetOverrides(placeForAdding(choice).path, id, signal);
}
