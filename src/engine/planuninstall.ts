// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";
import { formatRef, type Ref, sameRef } from "../metadata/ref.ts";
import type { Deployment } from "../store/types.ts";
import { makePlan } from "./plan.ts";
import type { Installed, Plan, UninstallOperation } from "./types.ts";

/** An installed ref and the runtime that it runs on, if it is an app. */
export interface Dependent extends Installed {
  readonly runtime: Ref | undefined;
  readonly sdk: Ref | undefined;
  /** The ref that it extends, if it is an extension. */
  readonly extensionOf: Ref | undefined;
}

export interface UninstallFacts {
  readonly target: string;
  /** What to remove, all in the target installation. */
  readonly wanted: readonly Deployment[];
  /** What every installation has. */
  readonly installed: readonly Dependent[];
  readonly forceRemove: boolean;
  readonly deleteData: boolean;
}

/** Removes apps before the runtimes that they use. Throws `RUNTIME_USED`. */
export function planUninstall(facts: UninstallFacts): Plan {
  const leaving = new Set(facts.wanted.map(({ ref }) => formatRef(ref)));
  const staying = facts.installed.filter(
    ({ installation, deployment }) => installation !== facts.target || !leaving.has(formatRef(deployment.ref)),
  );
  if (!facts.forceRemove) for (const { ref } of facts.wanted) checkUnused(ref, staying);
  const operations = facts.wanted.map((deployment): UninstallOperation => {
    const elsewhere = staying.some(({ deployment: other }) => other.ref.id === deployment.ref.id);
    const deleteData = facts.deleteData && deployment.ref.kind === "app" && !elsewhere;
    return { operation: "uninstall", ref: deployment.ref, deployment, deleteData };
  });
  const isApp = (operation: UninstallOperation): boolean => operation.ref.kind === "app";
  return makePlan([...operations.filter(isApp), ...operations.filter((operation) => !isApp(operation))], []);
}

function checkUnused(ref: Ref, staying: readonly Dependent[]): void {
  if (ref.kind === "app" || staying.some(({ deployment }) => sameRef(deployment.ref, ref))) return;
  const users = staying.filter(({ runtime }) => runtime !== undefined && sameRef(runtime, ref));
  if (users.length === 0) return;
  const names = users.map(({ deployment }) => formatRef(deployment.ref)).join(", ");
  throw new DowelError("RUNTIME_USED", `${formatRef(ref)} is used by ${names}`, {
    hint: "Uninstall them as well, or use --force-remove.",
  });
}

/**
 * The runtimes of an installation that no app in any installation names as its runtime or Sdk, and the extensions of
 * what is not used or not installed.
 */
export function unusedRuntimes(target: string, installed: readonly Dependent[]): readonly Deployment[] {
  const used = new Set<string>();
  for (const { deployment, runtime, sdk } of installed) {
    if (deployment.ref.kind === "app") used.add(formatRef(deployment.ref));
    for (const ref of [runtime, sdk]) if (ref !== undefined) used.add(formatRef(ref));
  }
  for (const { deployment, extensionOf } of installed) {
    if (extensionOf !== undefined && used.has(formatRef(extensionOf))) used.add(formatRef(deployment.ref));
  }
  return installed
    .filter(({ installation, deployment }) => installation === target && deployment.ref.kind === "runtime")
    .map(({ deployment }) => deployment)
    .filter(({ ref }) => !used.has(formatRef(ref)));
}
