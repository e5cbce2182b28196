// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";
import { formatRef, type RefKind } from "../metadata/ref.ts";
import type { Installation } from "../store/installation.ts";
import type { Deployment } from "../store/types.ts";
import { type Choose, chooseSome } from "./choose.ts";
import { findAllInstalled } from "./find.ts";
import { type GatherOptions, gatherFacts } from "./gather.ts";
import type { Facts, TransactionOptions } from "./resolve/facts.ts";
import { resolve } from "./resolve/resolve.ts";
import { type Unused, unusedRuntimes } from "./resolve/unused.ts";
import type { Plan } from "./types.ts";

export interface UninstallOptions extends GatherOptions, TransactionOptions {
  readonly arch?: string | undefined;
  readonly kind?: RefKind | undefined;
  /** Everything. */
  readonly all?: boolean;
  /** Runtimes that no app uses. */
  readonly unused?: boolean;
  /** Asks which of several refs is meant; without it several are an error. */
  readonly choose?: Choose | undefined;
}

function named(target: Installation, name: string, options: UninstallOptions): readonly Deployment[] {
  const found = findAllInstalled(target, name, options);
  const names = found.map(({ ref }) => formatRef(ref));
  const error = new DowelError("REF_AMBIGUOUS", `${name} fits several installed refs: ${names.join(", ")}`, {
    hint: "Name one of them in full.",
  });
  const question = `Several installed refs fit ${name}. Which one?`;
  const describe = ({ ref }: Deployment): string => formatRef(ref);
  return chooseSome({ things: found, describe, question, choose: options.choose, ambiguous: error });
}

function wantedOnes(
  target: Installation,
  names: readonly string[],
  facts: Omit<Facts, "answers">,
  options: UninstallOptions,
): readonly Deployment[] {
  const fits = ({ ref }: Deployment): boolean =>
    (options.kind === undefined || ref.kind === options.kind) &&
    (options.arch === undefined || ref.arch === options.arch);
  if (options.all === true) {
    const own = facts.installed.filter(({ installation }) => installation === facts.target);
    return own.map(({ deployment }) => deployment).filter(fits);
  }
  if (options.unused === true) {
    return unusedRuntimes(facts)
      .map(({ deployment }) => deployment)
      .filter(fits);
  }
  if (names.length === 0) throw new DowelError("USAGE", "Name what to uninstall, or use --all or --unused");
  return names.flatMap((name) => named(target, name, options));
}

/**
 * Plans the removal of refs from one installation, and reports which unused runtimes stay because they are pinned.
 * Throws `NOT_INSTALLED`, `REF_AMBIGUOUS` and `RUNTIME_USED`; nothing has changed then.
 */
export function prepareUninstall(target: Installation, names: readonly string[], options: UninstallOptions = {}): Plan {
  const facts = gatherFacts(target, { removesAll: options.all ?? false, ...options });
  if (options.unused === true) {
    for (const { deployment } of pinnedUnused(facts)) {
      options.report?.({ type: "note", text: `${formatRef(deployment.ref)} is pinned and stays` });
    }
  }
  const wanted = [...new Set(wantedOnes(target, names, facts, options))];
  const requests = wanted.map((deployment) => ({ kind: "uninstall", deployment }) as const);
  const resolution = resolve({ ...facts, answers: new Map() }, requests);
  if ("asks" in resolution) throw new Error("removals ask no remote");
  for (const note of resolution.plan.notes) options.report?.(note);
  return resolution.plan;
}

function pinnedUnused(facts: Omit<Facts, "answers">): readonly Unused[] {
  if (!facts.installed.some(({ deployment: { ref } }) => ref.kind === "runtime" && facts.pinned(ref))) return [];
  const unused = new Set(unusedRuntimes(facts).map(({ deployment }) => formatRef(deployment.ref)));
  return unusedRuntimes({ ...facts, pinned: () => false }).filter(
    ({ deployment: { ref } }) => !unused.has(formatRef(ref)) && facts.pinned(ref),
  );
}
