// SPDX-License-Identifier: Apache-2.0
import { isDowelError } from "../base/errors.ts";
import { sameRef } from "../metadata/ref.ts";
import { deleteRemote, listRemotes } from "../remotes/config.ts";
import { undeploy } from "../store/deploy/undeploy.ts";
import { listDeployments } from "../store/deployments.ts";
import { collectGarbage } from "../store/garbage.ts";
import type { Installation } from "../store/installation.ts";
import { eraseSet, listSets } from "./data/sets.ts";
import { dependentsOf } from "./dependents.ts";
import type { ChangeContext } from "./fetch.ts";
import { forgetLibrary } from "./library/change.ts";
import { originSettings } from "./origin.ts";
import { runtimeUsed, usersOf } from "./resolve/removals.ts";
import type { UninstallOperation } from "./types.ts";

/** How long to wait for imports of others before garbage is left to the next transaction, in milliseconds. */
const garbageWait = 2000;

/** Removes a ref, and its data where that is asked for. */
export async function removeOperation(operation: UninstallOperation, context: ChangeContext): Promise<void> {
  const { installation, report, signal } = context;
  await undeploy(installation, operation.ref, { report, signal, check: () => checkUnused(operation, installation) });
  await dropOrigin(installation, operation.deployment.origin, signal);
  if (operation.deleteData) eraseDataOf(operation);
}

/** Others may have installed an app that runs on it since this was planned. Throws `RUNTIME_USED`. */
function checkUnused({ ref, forced }: UninstallOperation, installation: Installation): void {
  if (forced || ref.kind === "app") return;
  const others = dependentsOf(installation).filter(({ deployment }) => !sameRef(deployment.ref, ref));
  const users = usersOf(ref, others);
  if (users.length > 0) throw runtimeUsed(ref, users);
}

/** Erases what the caller kept with an app. */
export function eraseDataOf({ ref }: UninstallOperation): void {
  for (const set of listSets(ref.id)) {
    eraseSet(set);
    forgetLibrary(set.name);
  }
  forgetLibrary(ref.id);
}

/** Removes the origin remote of a direct install when the last ref from it goes. */
async function dropOrigin(installation: Installation, name: string, signal: AbortSignal | undefined): Promise<void> {
  if (!name.endsWith("-origin")) return;
  const remote = listRemotes(installation).find((candidate) => candidate.name === name);
  if (remote === undefined || remote.priority !== originSettings.priority || !remote.noEnumerate) return;
  if (listDeployments(installation).some(({ origin }) => origin === name)) return;
  await deleteRemote(installation, name, { signal });
}

/** Removes what nothing uses any more. Where others are at work for long it is left to the next time. */
export async function tidy(context: ChangeContext): Promise<void> {
  try {
    await collectGarbage(context.installation, { signal: context.signal, waitMilliseconds: garbageWait });
  } catch (error) {
    if (!isDowelError(error, "STORE_LOCKED")) throw error;
  }
}
