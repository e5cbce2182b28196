// SPDX-License-Identifier: Apache-2.0
import { type Report, silent } from "../base/events.ts";
import { refreshAppstream } from "../engine/appstream.ts";
import { setConfig } from "../engine/config.ts";
import { measurePlan } from "../engine/cost.ts";
import { makeCurrent } from "../engine/current.ts";
import { execute } from "../engine/execute.ts";
import { mediaFolders } from "../engine/media.ts";
import { addPatterns, removePatterns } from "../engine/patterns.ts";
import { notePreinstalled } from "../engine/preinstall/prepare.ts";
import { repair } from "../engine/repair.ts";
import { switchVersion } from "../engine/rollback.ts";
import { findSideloads } from "../engine/sideload.ts";
import { parseRef } from "../metadata/ref.ts";
import { addRemote, deleteRemote, getRemote, modifyRemote } from "../remotes/config.ts";
import { adoptKey, checkVerificationChosen, chooseVerification } from "../remotes/trust/choice.ts";
import type { ImagePlace } from "../remotes/types.ts";
import { createInstallation, type Installation } from "../store/installation.ts";
import { mountImage } from "../store/shown.ts";
import type { PlainChange, TransactionChange } from "./change.ts";
import { replan } from "./replan.ts";

export interface WorkContext {
  readonly installation: Installation;
  readonly report: Report;
  readonly signal: AbortSignal;
}

type Of<K extends PlainChange["kind"]> = Extract<PlainChange, { kind: K }>;

async function addRemoteOf(change: Of<"remote-add">, { installation, signal }: WorkContext): Promise<boolean> {
  const { name, settings, ifNotExists, verify, gpgKey } = change;
  if (verify === undefined && gpgKey === undefined) checkVerificationChosen(installation, settings.url);
  if (!(await addRemote(installation, name, settings, { ifNotExists, signal }))) return false;
  try {
    if (verify !== undefined) await chooseVerification(installation, settings.url, verify, signal);
    else if (gpgKey !== undefined) await adoptKey(installation, settings.url, gpgKey, signal);
  } catch (error) {
    await deleteRemote(installation, name, { force: true });
    throw error;
  }
  return true;
}

async function modifyRemoteOf(change: Of<"remote-modify">, { installation, signal }: WorkContext): Promise<boolean> {
  const { name, settings, verify } = change;
  await modifyRemote(installation, name, settings, signal);
  if (verify !== undefined) await chooseVerification(installation, getRemote(installation, name).url, verify, signal);
  return true;
}

async function changePatterns(change: Of<"patterns">, { installation, signal }: WorkContext): Promise<boolean> {
  const { list, patterns, remove } = change;
  await (remove ? removePatterns : addPatterns)(installation, list, patterns, signal);
  return true;
}

async function repairAll(change: Of<"repair">, { installation, report, signal }: WorkContext): Promise<boolean> {
  const { dryRun, reinstallAll } = change;
  const findings = await repair(installation, { dryRun, reinstallAll, report, signal });
  for (const finding of findings) report({ type: "repair.finding", finding });
  return findings.length > 0;
}

/** Does a plain change with this process's own rights. Answers whether anything had to be done. */
export async function carryOutPlain(change: PlainChange, context: WorkContext): Promise<boolean> {
  const { installation, report, signal } = context;
  switch (change.kind) {
    case "remote-add":
      return await addRemoteOf(change, context);
    case "remote-modify":
      return await modifyRemoteOf(change, context);
    case "remote-delete":
      await deleteRemote(installation, change.name, { force: change.force, signal });
      return true;
    case "config":
      await setConfig(installation, change.key, change.value, signal);
      return true;
    case "patterns":
      return await changePatterns(change, context);
    case "switch":
      return (await switchVersion(installation, parseRef(change.ref), change.commit, { report, signal })) !== undefined;
    case "make-current":
      await makeCurrent(installation, change.id, change, { signal });
      return true;
    case "appstream":
      await refreshAppstream([installation], { remote: change.remote, arch: change.arch, report, signal });
      return true;
    case "mount":
      return await mountImage(installation, change.image, signal);
    case "repair":
      return await repairAll(change, context);
    case "preinstalled":
      return await notePreinstalled(installation, { signal });
  }
}

/**
 * Makes the plan of a transaction anew and carries it out. Images are fetched from the remotes of the installation and from
 * the media that it is configured with, and are held against its policy.
 */
export async function carryOutTransaction(
  change: TransactionChange,
  context: WorkContext & {
    readonly installations: readonly Installation[];
    /** Who asked. */
    readonly uid: number;
    /** Layouts that the caller holds open. */
    readonly media: readonly ImagePlace[];
  },
): Promise<boolean> {
  const { report, signal, uid: forUser, media } = context;
  const installation = createInstallation(context.installation);
  const wished = await replan(change, { ...context, installation, mayBeOld: media.length > 0 });
  const { noPull, noDeploy, keepVersions } = change;
  const sideloads = await findSideloads(media, mediaFolders(installation), {
    report: silent,
    signal,
  });
  const { plan, loaded } = noPull
    ? { plan: wished, loaded: undefined }
    : await measurePlan(wished, installation, { sideloads, signal });
  const how = { noPull, noDeploy, keepVersions, sideloads, loaded, forUser, announced: true };
  await execute(plan, installation, { ...how, report, signal });
  return plan.operations.length > 0;
}
