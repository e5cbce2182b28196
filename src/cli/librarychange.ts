// SPDX-License-Identifier: Apache-2.0
import type { LibraryChange } from "../engine/library/change.ts";
import { dataName, parseProfile } from "../metadata/profile.ts";
import type { Result } from "../render/result.ts";
import { textFlag } from "./flags.ts";
import { textLines } from "./lines.ts";

/** Which app, and of its profiles which. */
export const libraryFlags = { profile: textFlag("For one of the app's profiles", "NAME") } as const;

export interface LibraryFlags {
  readonly profile?: string;
}

/** The name of what a folder is picked for: `ID` or `ID@PROFILE`. Throws `USAGE`. */
export function libraryName(app: string, { profile }: LibraryFlags): string {
  return dataName(app, parseProfile(profile));
}

/** What became of a folder, and of the instances that run. */
export function showChange(change: LibraryChange, what: string, { json }: { readonly json?: boolean }): Result {
  if (json === true) return { kind: "json", value: change };
  const { folder, instances, failed } = change;
  const lines = [
    `${what}: ${folder.path} (${folder.name}, ${folder.access})`,
    ...(instances.length === 0 ? [] : [`Running instances that follow: ${instances.join(", ")}`]),
    ...failed.map(({ instance, reason }) => `Instance ${instance} goes on as before until it ends: ${reason}`),
  ];
  return textLines(lines);
}
