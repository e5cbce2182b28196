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
  const used = roots(facts);
  const pruned = new Set<string>();
  const refs = installed.map(({ deployment }) => deployment.ref);
  const queue = [...used.values()];
  for (let owner = queue.shift(); owner !== undefined || queue.length > 0; owner = queue.shift()) {
    if (owner === undefined) continue;
    const name = formatRef(owner.deployment.ref);
    const reach = (dependent: Dependent | undefined, key: string): void => {
      if (used.has(key)) return;
      used.set(key, dependent);
      queue.push(dependent);
    };
    for (const { ref, point } of extensionsOf(owner.deployment.ref, owner.deployment.metadata, refs)) {
      const key = formatRef(ref);
      const keeps = point.autopruneUnless.length === 0 || holds(point.autopruneUnless, ref.id);
      if (keeps) reach(findBy(installed, key), key);
      else pruned.add(key);
    }
    for (const dependent of installed) {
      const key = formatRef(dependent.deployment.ref);
      const extended = dependent.extensionOf;
      if (extended !== undefined && formatRef(extended) === name && !pruned.has(key)) reach(dependent, key);
    }
  }
  return installed.flatMap(({ installation, deployment }) => {
    const key = formatRef(deployment.ref);
    if (installation !== target || deployment.ref.kind !== "runtime" || used.has(key)) return [];
    const { reason, successor } = endOfLife(deployment.labels);
    return [{ deployment, prunes: pruned.has(key) || reason !== undefined || successor !== undefined }];
  });
}

function findBy(installed: readonly Dependent[], key: string): Dependent | undefined {
  return installed.find(({ deployment }) => formatRef(deployment.ref) === key);
}
