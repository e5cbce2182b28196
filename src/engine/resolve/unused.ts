// SPDX-License-Identifier: Apache-2.0
import { formatRef, type Ref } from "../../metadata/ref.ts";
import type { Deployment } from "../../store/types.ts";
import { endOfLife } from "./endoflife.ts";
import type { Dependent, Facts } from "./facts.ts";
import { extensionsOf } from "./related.ts";

/** An installed runtime that nothing needs. */
export interface Unused {
  readonly deployment: Deployment;
  /** It goes by itself: nobody maintains it, or its extension point says so. */
  readonly prunes: boolean;
}

type UnusedFacts = Pick<Facts, "target" | "installed" | "pinned" | "holds">;

/** What apps run on and are built with, and pinned runtimes: by full ref. */
function roots({ installed, target, pinned }: UnusedFacts): Map<string, Dependent | undefined> {
  const byRef = new Map(installed.map((dependent) => [formatRef(dependent.deployment.ref), dependent]));
  const used = new Map<string, Dependent | undefined>();
  const use = (ref: Ref): unknown => used.set(formatRef(ref), byRef.get(formatRef(ref)));
  for (const { deployment, installation, runtime, sdk } of installed) {
    const { ref } = deployment;
    if (ref.kind === "app" || (installation === target && pinned(ref))) use(ref);
    for (const needed of [runtime, sdk]) if (needed !== undefined) use(needed);
  }
  return used;
}

/**
 * The runtimes of an installation that no app in any installation runs on or is built with, that are not pinned, and that
 * extend nothing of the kind (flatpak-uninstall(1), --unused). An extension whose point names reasons to keep it is unused
 * while none of them holds.
 */
export function unusedRuntimes(facts: UnusedFacts): readonly Unused[] {
  const { installed, target, holds } = facts;
  const runtimes = installed.filter(({ deployment }) => deployment.ref.kind === "runtime");
  const byName = new Map(runtimes.map((dependent) => [formatRef(dependent.deployment.ref), dependent]));
  const extending = Map.groupBy(runtimes, ({ extensionOf }) =>
    extensionOf === undefined ? "" : formatRef(extensionOf),
  );
  const used = roots(facts);
  const pruned = new Set<string>();
  const refs = runtimes.map(({ deployment }) => deployment.ref);
  const queue = [...used.values()];
  const reach = (name: string): void => {
    if (used.has(name)) return;
    const dependent = byName.get(name);
    used.set(name, dependent);
    queue.push(dependent);
  };
  while (queue.length > 0) {
    const owner = queue.shift();
    if (owner === undefined) continue;
    const { ref: ownerRef, metadata } = owner.deployment;
    for (const { ref, point } of extensionsOf(ownerRef, metadata, refs)) {
      const keeps = point.autopruneUnless.length === 0 || holds(point.autopruneUnless, ref.id);
      if (keeps) reach(formatRef(ref));
      else pruned.add(formatRef(ref));
    }
    for (const { deployment } of extending.get(formatRef(ownerRef)) ?? []) {
      const name = formatRef(deployment.ref);
      if (!pruned.has(name)) reach(name);
    }
  }
  return runtimes.flatMap(({ installation, deployment }) => {
    const name = formatRef(deployment.ref);
    if (installation !== target || used.has(name)) return [];
    const { reason, successor } = endOfLife(deployment.labels);
    return [{ deployment, prunes: pruned.has(name) || reason !== undefined || successor !== undefined }];
  });
}
