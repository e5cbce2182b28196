// SPDX-License-Identifier: Apache-2.0
import type { Ref } from "../../metadata/ref.ts";
import type { Deployment } from "../../store/types.ts";
import type { Facts } from "./facts.ts";

function isSame(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((path, at) => path === right[at]);
}

/** Whether a deployment shows other folders than it shall. */
export function changesSubpaths({ subpaths = [] }: Deployment, wanted: readonly string[]): boolean {
  return !isSame(subpaths, wanted);
}

/**
 * The folders of a ref that are to be deployed, all where empty, by Flatpak's rules: those that the user names for what
 * was asked for; else, for translations, those of the languages of the installation, besides what was chosen before;
 * else what was chosen before.
 */
export function subpathsFor(
  { options, languages }: Pick<Facts, "options" | "languages">,
  ref: Ref,
  present: Deployment | undefined,
  requested: boolean,
): readonly string[] {
  if (requested && options.subpaths !== undefined) return options.subpaths;
  const chosen = present?.subpaths ?? [];
  const isWhole = present !== undefined && chosen.length === 0;
  if (isWhole || ref.kind !== "runtime") return chosen;
  if (!ref.id.endsWith(".Locale") || languages.length === 0) return chosen;
  return [...new Set([...chosen, ...languages.map((language) => `/${language}`)])].sort();
}
