// SPDX-License-Identifier: Apache-2.0

import { listPatterns, type PatternList } from "../engine/patterns.ts";
import { shownName } from "../engine/places.ts";
import { nothing, type Result } from "../render/result.ts";
import type { Context } from "./context.ts";
import { type InstallationFlags, installationFlags, jsonFlag, switchFlag, textArgument } from "./flags.ts";
import { change, installationForChange, installationsToRead } from "./transaction.ts";

export interface PatternFlags extends InstallationFlags {
  readonly remove?: boolean;
  readonly json?: boolean;
}

export const patternParameters = {
  flags: { ...installationFlags, ...jsonFlag, remove: switchFlag("Take the patterns away") },
  aliases: { u: "user", j: "json" },
  positional: { kind: "array", parameter: textArgument("[KIND/]ID[/ARCH[/BRANCH]] with * for anything", "PATTERN") },
} as const;

/** What `pin` and `mask` do: change a list of patterns, or show it. */
export async function changeOrShow(
  context: Context,
  flags: PatternFlags,
  list: PatternList,
  patterns: readonly string[],
): Promise<Result> {
  if (patterns.length > 0) {
    await change(context, installationForChange(flags), {
      ...{ kind: "patterns", list, patterns, remove: flags.remove === true },
    });
    return nothing;
  }
  const found = installationsToRead(flags).flatMap((installation) =>
    listPatterns(installation, list).map((pattern) => ({ installation: shownName(installation), pattern })),
  );
  if (flags.json === true) return { kind: "json", value: found };
  const lines = found.map(({ pattern }) => `  ${pattern}\n`).join("");
  const title = list === "masked" ? "Masked patterns" : "Pinned patterns";
  return { kind: "text", text: lines === "" ? `No ${title.toLowerCase()}\n` : `${title}:\n${lines}` };
}
