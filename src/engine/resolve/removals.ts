// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { formatRef, type Ref, sameRef } from "../../metadata/ref.ts";
import type { Deployment } from "../../store/types.ts";
import type { UninstallOperation } from "../types.ts";
import type { Draft } from "./draft.ts";
import type { Dependent } from "./facts.ts";
import { extensionsOf, goesWithParent } from "./related.ts";

/** What goes together with the refs that are to go: extensions that serve nothing else. */
function withExtensions(wanted: readonly Deployment[], draft: Draft): readonly Deployment[] {
  const { installed, target } = draft.facts;
  const refs = installed.map(({ deployment }) => deployment.ref);
  const result = new Map(wanted.map((deployment) => [formatRef(deployment.ref), deployment]));
  const isStaying = ({ deployment }: Dependent): boolean => !result.has(formatRef(deployment.ref));
  for (const { ref, metadata } of wanted) {
    for (const extension of extensionsOf(ref, metadata, refs)) {
      const here = draft.present(extension.ref);
      if (here === undefined || !goesWithParent(extension)) continue;
      const others = installed.filter((one) => isStaying(one) && one.installation === target);
      const isShared = others.some(
        (one) => extensionsOf(one.deployment.ref, one.deployment.metadata, [extension.ref]).length > 0,
      );
      if (!isShared) result.set(formatRef(extension.ref), here);
    }
  }
  return [...result.values()];
}

/** The apps that would lack a runtime that goes. */
export function usersOf(ref: Ref, staying: readonly Dependent[]): readonly Dependent[] {
  if (ref.kind === "app" || staying.some(({ deployment }) => sameRef(deployment.ref, ref))) return [];
  return staying.filter(({ runtime }) => runtime !== undefined && sameRef(runtime, ref));
}

function checkUnused(ref: Ref, staying: readonly Dependent[], draft: Draft): void {
  const users = usersOf(ref, staying);
  if (users.length === 0) return;
  const isElsewhere = users.every(({ installation }) => installation !== draft.facts.target);
  if (draft.facts.options.removesAll === true && isElsewhere) {
    draft.warn(`${formatRef(ref)} is used by ${namesOf(users)} in another installation`);
    return;
  }
  draft.fatal ??= runtimeUsed(ref, users);
}

const namesOf = (users: readonly Dependent[]): string =>
  users.map(({ deployment }) => formatRef(deployment.ref)).join(", ");

export function runtimeUsed(ref: Ref, users: readonly Dependent[]): DowelError {
  return new DowelError("RUNTIME_USED", `${formatRef(ref)} is used by ${namesOf(users)}`, {
    hint: "Uninstall them as well, or use --force-remove.",
  });
}

/** Notes the removal of installed refs and of what goes with them. Apps are put before the runtimes that they use. */
export function addRemovals(draft: Draft, wanted: readonly Deployment[], needs: readonly string[] = []): void {
  const { installed, target, options } = draft.facts;
  const all = options.noRelated === true ? wanted : withExtensions(wanted, draft);
  const leaving = new Set(all.map(({ ref }) => formatRef(ref)));
  const staying = installed.filter(
    ({ installation, deployment }) => installation !== target || !leaving.has(formatRef(deployment.ref)),
  );
  if (options.forceRemove !== true) for (const { ref } of all) checkUnused(ref, staying, draft);
  const operations = all.map((deployment): UninstallOperation => {
    const elsewhere = staying.some(({ deployment: other }) => other.ref.id === deployment.ref.id);
    const deleteData = options.deleteData === true && deployment.ref.kind === "app" && !elsewhere;
    return {
      operation: "uninstall",
      ref: deployment.ref,
      deployment,
      deleteData,
      forced: options.forceRemove === true,
      needs,
    };
  });
  for (const kind of ["app", "runtime"] as const) {
    for (const operation of operations.filter(({ ref }) => ref.kind === kind)) {
      draft.operations.set(formatRef(operation.ref), operation);
    }
  }
}
