// SPDX-License-Identifier: Apache-2.0
import { existsSync } from "node:fs";
import { defaultProfile } from "../../metadata/profile.ts";
import { dataSet, isRunning, listSets, requireData } from "./sets.ts";
import { type DataSizes, measureSet } from "./sizes.ts";

type ProfileRow = {
  readonly application: string;
  readonly profile: string;
  readonly running: boolean;
  readonly overrides: boolean;
  readonly path: string;
};

/** The sets of data there are, of one app or of all. */
export function describeProfiles(id: string | undefined): ProfileRow[] {
  return listSets(id).map((set) => ({
    application: set.id,
    profile: set.profile ?? defaultProfile,
    running: isRunning(set),
    overrides: existsSync(set.overrides),
    path: set.path,
  }));
}

type SizeRow = { readonly application: string; readonly profile: string } & {
  readonly [Key in keyof DataSizes]: number;
};

/** What the sets take on disk; of one app, which must have one, or of all. Throws `DATA_NOT_FOUND`. */
export function describeSizes(id: string | undefined, signal?: AbortSignal): SizeRow[] {
  const sets = listSets(id);
  if (id !== undefined && sets.length === 0) requireData(dataSet(id, undefined));
  return sets.map((set) => ({
    application: set.id,
    profile: set.profile ?? defaultProfile,
    ...measureSet(set, signal),
  }));
}
