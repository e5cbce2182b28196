// SPDX-License-Identifier: Apache-2.0
import { importSet } from "../engine/data/change.ts";
import type { DataSet } from "../engine/data/sets.ts";
import { defaultProfile } from "../metadata/profile.ts";
import type { Result } from "../render/result.ts";
import { formatSize } from "../render/size.ts";
import type { Context } from "./context.ts";
import { jsonFlag, switchFlag } from "./flags.ts";

export interface ExportFlags {
  readonly withCache?: boolean;
  readonly json?: boolean;
}

export const exportFlags = {
  ...jsonFlag,
  withCache: switchFlag("Also what the app can make anew"),
} as const;

export interface ImportFlags {
  readonly withOverrides?: boolean;
  readonly json?: boolean;
}

export const importFlags = {
  ...jsonFlag,
  withOverrides: switchFlag("Also the permissions that were overridden where the archive was made"),
} as const;

/** What is said of an archive that was written. */
export function exported({ id, profile }: DataSet, file: string, size: number, flags: ExportFlags): Result {
  return flags.json === true
    ? { kind: "json", value: { application: id, profile: profile ?? defaultProfile, file, size } }
    : { kind: "text", text: `${file}: ${formatSize(size)}\n` };
}

/** Takes an archive and says which permissions it brought. */
export async function takeArchive(
  context: Context,
  set: DataSet,
  file: string,
  flags: ImportFlags,
  replaces: boolean,
): Promise<Result> {
  const taken = flags.withOverrides === true;
  const overrides = await importSet(set, file, { replaces, withOverrides: taken, signal: context.signal });
  if (flags.json === true) {
    const { id, profile = defaultProfile, path } = set;
    const value = { application: id, profile, path, overrides: overrides ?? null, overrides_taken: taken };
    return { kind: "json", value };
  }
  if (overrides === undefined || overrides === "") return { kind: "nothing" };
  const head = taken ? "These overrides were taken:" : "These overrides were left out; --with-overrides takes them:";
  return { kind: "text", text: `${head}\n\n${overrides}` };
}
