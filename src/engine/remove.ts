// SPDX-License-Identifier: Apache-2.0
import { rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileError, isDowelError } from "../base/errors.ts";
import { deleteRemote, listRemotes } from "../remotes/config.ts";
import { undeploy } from "../store/deploy/undeploy.ts";
import { listDeployments } from "../store/deployments.ts";
import { collectGarbage } from "../store/garbage.ts";
import type { Installation } from "../store/installation.ts";
import type { ChangeContext } from "./fetch.ts";
import { originSettings } from "./origin.ts";
import type { UninstallOperation } from "./types.ts";

/** How long to wait for imports of others before garbage is left to the next transaction, in milliseconds. */
const garbageWait = 2000;

/** `~/.var/app/ID`: what an app keeps for its user. */
function appDataFolder(id: string): string {
  return join(process.env["HOME"] ?? homedir(), ".var", "app", id);
}

/** Removes a ref, and its data where that is asked for. */
export async function removeOperation(operation: UninstallOperation, context: ChangeContext): Promise<void> {
  const { installation, report, signal } = context;
  await undeploy(installation, operation.ref, { report, signal });
  await dropOrigin(installation, operation.deployment.origin, signal);
  if (!operation.deleteData) return;
  const folder = appDataFolder(operation.ref.id);
  try {
    rmSync(folder, { recursive: true, force: true });
  } catch (error) {
    throw fileError(error, "remove", folder);
  }
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
