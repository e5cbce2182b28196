// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";

/** The set of data that an app has without `--profile`. */
export const defaultProfile = "default";

/**
 * Under which name an app's data, overrides and shared folders are kept: its id, or `ID@PROFILE` for a further set of
 * them. An id has no `@`, so no app's own folder can be meant.
 */
export function dataName(id: string, profile: string | undefined): string {
  return profile === undefined ? id : `${id}@${profile}`;
}

/** A profile's name as the command line has it; undefined for `default`. Throws `USAGE`. */
export function parseProfile(text: string | undefined): string | undefined {
  if (text === undefined || text === defaultProfile) return undefined;
  if (/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/.test(text)) return text;
  throw new DowelError("USAGE", `${JSON.stringify(text)} is not the name of a profile`, {
    hint: "It has 1 to 64 letters, digits, '_', '-' and '.', and begins with none of the last two.",
  });
}

/** The id and the profile that a name from `dataName` is made of; undefined for any other text. */
export function splitDataName(name: string): { readonly id: string; readonly profile: string | undefined } | undefined {
  const [id = "", profile, ...rest] = name.split("@");
  if (id === "" || rest.length > 0) return undefined;
  if (profile !== undefined && !/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/.test(profile)) return undefined;
  return { id, profile };
}
