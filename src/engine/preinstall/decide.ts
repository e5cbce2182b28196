// SPDX-License-Identifier: Apache-2.0
import type { Wish } from "./wishes.ts";

/** What preinstalling changes, by full refs. */
export interface Decision {
  readonly install: readonly Wish[];
  /** Installed refs that were preinstalled once and are wished for no longer. */
  readonly uninstall: readonly string[];
  /** The refs that count as preinstalled once this has been done. */
  readonly preinstalled: readonly string[];
}

export interface DecisionFacts {
  readonly wishes: readonly Wish[];
  /** Full refs that are installed. */
  readonly installed: ReadonlySet<string>;
  /** Full refs that were preinstalled before; undefined where that has never been noted. */
  readonly preinstalled: readonly string[] | undefined;
  /** Install also what was preinstalled before and is gone. */
  readonly reinstall: boolean;
}

function nameOf({ ref }: Wish): string {
  return `${ref.kind}/${ref.id}/${ref.arch}/${ref.branch}`;
}

/**
 * Decides what is installed and removed: what was preinstalled once is not installed again, so that a user's removal
 * lasts; what is no longer wished for goes (flatpak-preinstall(1)).
 */
export function decide({ wishes, installed, preinstalled = [], reinstall }: DecisionFacts): Decision {
  const wished = new Set(wishes.map(nameOf));
  const done = new Set(preinstalled);
  const install = wishes.filter((wish) => !installed.has(nameOf(wish)) && (reinstall || !done.has(nameOf(wish))));
  return {
    install,
    uninstall: preinstalled.filter((name) => !wished.has(name) && installed.has(name)),
    preinstalled: [...new Set([...preinstalled.filter((name) => wished.has(name)), ...wished])],
  };
}
