// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";
import { compareBytes } from "../base/text.ts";
import { compilePattern } from "../metadata/pattern.ts";
import type { Installation } from "../store/installation.ts";
import { changeSetting, readSettings } from "../store/settings.ts";

/** Lists of patterns of refs that an installation keeps. */
export type PatternList = "masked" | "pinned";

/** The patterns of a list, sorted. */
export function listPatterns(installation: Installation, list: PatternList): readonly string[] {
  return [...(readSettings(installation).get(list) ?? [])].sort(compareBytes);
}

/** Only runtimes are pinned, so a pattern without a kind means those. */
function normal(text: string, list: PatternList): string {
  compilePattern(text, list === "masked" ? "mask" : "pin");
  if (list === "pinned" && text.startsWith("app/")) {
    throw new DowelError("REF_INVALID", `${text}: only runtimes can be pinned`);
  }
  return list === "pinned" && !text.startsWith("runtime/") ? `runtime/${text}` : text;
}

/** Adds patterns to a list; those that are there already stay. Throws `REF_INVALID`, and nothing is changed then. */
export async function addPatterns(
  installation: Installation,
  list: PatternList,
  texts: readonly string[],
  signal?: AbortSignal,
): Promise<void> {
  const added = texts.map((text) => normal(text, list));
  await changeSetting(installation, list, (present = []) => [...new Set([...present, ...added])], signal);
}

/** Takes patterns out of a list. Throws `REF_NOT_FOUND` for one that is not there, and nothing is changed then. */
export async function removePatterns(
  installation: Installation,
  list: PatternList,
  texts: readonly string[],
  signal?: AbortSignal,
): Promise<void> {
  const removed = texts.map((text) => normal(text, list));
  const change = (present: readonly string[] = []): readonly string[] | undefined => {
    const missing = removed.find((text) => !present.includes(text));
    if (missing !== undefined) throw new DowelError("REF_NOT_FOUND", `${missing} is not ${list}`);
    const kept = present.filter((text) => !removed.includes(text));
    return kept.length === 0 ? undefined : kept;
  };
  await changeSetting(installation, list, change, signal);
}
