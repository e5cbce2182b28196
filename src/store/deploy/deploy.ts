// SPDX-License-Identifier: Apache-2.0
import { existsSync } from "node:fs";
import { join } from "node:path";
import { checkCancelled, DowelError, fileError } from "../../base/errors.ts";
import { type Report, silent } from "../../base/events.ts";
import { formatRef, type Ref, sameRef } from "../../metadata/ref.ts";
import {
  activeDeployment,
  currentLink,
  currentRef,
  deployedCommits,
  newestFirst,
  readDeployment,
  refFolder,
  tryRead,
} from "../deployments.ts";
import { linkExports, publishExports } from "../exports/publish.ts";
import { imageFile, type StoredImage } from "../image/stored.ts";
import type { Installation } from "../installation.ts";
import { type Change, noteOrWarn } from "../journal.ts";
import { type CheckOptions, lockForChange, pinObjects, type WaitOptions } from "../locks.ts";
import { keptVersions } from "../settings.ts";
import { ensureShown, unmountUnused } from "../shown.ts";
import type { Deployment } from "../types.ts";
import { swapLink } from "./links.ts";
import { removeFolder } from "./remove.ts";
import { retire } from "./retire.ts";
import { type StageOptions, stageDeployment } from "./stage.ts";

export interface DeployOptions extends WaitOptions, CheckOptions, StageOptions {
  /** How many versions stay beside the active one, to go back to; where that is not said, what the installation says. */
  readonly keepVersions?: number | undefined;
}

/**
 * Makes a stored image the active deployment of its ref: built in `tmp/`, synced, renamed into place, then `active` is
 * switched, so at every moment either the old or the new one is there. A new branch of an app becomes its current
 * one, and what the current one exports is linked in `exports/`. The deployment before is kept, older ones go.
 *
 * Throws `EXPORT_INVALID`, `KEYFILE_SYNTAX`, `NO_SPACE`, `STORE_LOCKED`; the deployment before is active then. Only where
 * links in `exports/` that lead nowhere any more cannot be removed the new one is, and the next change removes them.
 */
export async function deployImage(
  installation: Installation,
  image: StoredImage,
  options: DeployOptions,
): Promise<Deployment> {
  const { report = silent, signal } = options;
  const name = formatRef(image.ref);
  const keep = options.keepVersions ?? keptVersions(installation);
  report({ type: "deploy.start", ref: name });
  using _pin = await pinObjects(installation, options);
  using _lock = await lockForChange(installation, options);
  checkCancelled(signal);
  options.check?.();
  requireImage(installation, image.ref, image.commit);
  const before = tryRead(() => activeDeployment(installation, image.ref));
  const deployment = stageDeployment(installation, image, options);
  const others = otherVersions(installation, deployment, before);
  try {
    const kept = others.slice(0, keep);
    await activate(
      installation,
      deployment,
      { commit: before?.commit ?? "", kept },
      { ...options, isWhole: image.isWhole },
    );
    dropVersions(installation, image.ref, others.slice(keep));
    // Other folders of the same image make another one to mount.
    if (before?.commit === deployment.commit) unmountUnused(installation, [before.imageDigest]);
  } catch (error) {
    throw fileError(error, "deploy", deployment.path);
  }
  report({ type: "deploy.done", ref: name, files: image.files, newObjects: image.newObjects });
  return deployment;
}

/**
 * Goes back, or forward, to a version of a ref that is still deployed. No other version goes by that.
 * Throws `NOT_INSTALLED`, `STORE_INVALID`, `STORE_LOCKED`.
 */
export async function activateDeployment(
  installation: Installation,
  ref: Ref,
  commit: string,
  options: WaitOptions = {},
): Promise<Deployment> {
  using _pin = await pinObjects(installation, options);
  using _lock = await lockForChange(installation, options);
  const deployment = readDeployment(installation, ref, commit);
  if (deployment === undefined) {
    throw new DowelError("NOT_INSTALLED", `${formatRef(ref)} has no version ${commit} in ${installation.path}`);
  }
  requireImage(installation, ref, commit);
  const before = tryRead(() => activeDeployment(installation, ref));
  try {
    const kept = otherVersions(installation, deployment, before);
    await activate(installation, deployment, { commit: before?.commit ?? "", kept }, options, "rollback");
  } catch (error) {
    throw fileError(error, "switch to", deployment.path);
  }
  return deployment;
}

function requireImage(installation: Installation, ref: Ref, commit: string): void {
  if (existsSync(imageFile(installation, commit))) return;
  throw new DowelError("STORE_INVALID", `The image ${commit} of ${formatRef(ref)} has gone from ${installation.path}`);
}

/** What was active before, empty where nothing was; and what stays beside what is active then, so that it can be told from what got lost. */
interface Before {
  readonly commit: string;
  readonly kept: readonly string[];
}

/**
 * Switches to a deployment; where that fails, one that was not there before goes again. The links for its exports are
 * made first and lead nowhere yet, so that the switch of `active` alone decides what there is.
 */
async function activate(
  installation: Installation,
  deployment: Deployment,
  { commit: oldCommit, kept }: Before,
  { report, signal, isWhole }: WaitOptions & { readonly isWhole?: boolean },
  change: Change = oldCommit === "" ? "deploy install" : "deploy update",
): Promise<void> {
  const { ref, commit, path } = deployment;
  const mayExport = ref.kind === "app" && becomesCurrent(installation, ref, oldCommit === "");
  try {
    await ensureShown(deployment, signal, isWhole);
    if (mayExport) prepareExports(installation, ref, path, report);
    swapLink(commit, join(refFolder(installation, ref), "active"));
  } catch (error) {
    if (change !== "rollback" && oldCommit !== commit) removeFolder(installation, path);
    throw error;
  }
  noteOrWarn(installation, change, deployment, { oldCommit, kept }, report);
  if (!mayExport) return;
  swapLink(`${ref.arch}/${ref.branch}`, currentLink(installation, ref.id));
  publishExports(installation, ref.id);
}

/** Whether a ref is the current one of its app, or is to be: the newest branch is, and any where there is none. */
function becomesCurrent(installation: Installation, ref: Ref, isNew: boolean): boolean {
  const current = currentRef(installation, ref.id);
  if (isNew || current === undefined || sameRef(current, ref)) return true;
  return tryRead(() => activeDeployment(installation, current)) === undefined;
}

function prepareExports(
  installation: Installation,
  { id, arch, branch }: Ref,
  path: string,
  report: Report | undefined,
): void {
  if (currentRef(installation, id) === undefined) swapLink(`${arch}/${branch}`, currentLink(installation, id));
  linkExports(installation, id, path, report);
}

/** The versions to go back to: the one that was active before, then the newest. */
function otherVersions(
  installation: Installation,
  { ref, commit: active }: Deployment,
  before: Deployment | undefined,
): readonly string[] {
  const older = deployedCommits(installation, ref).filter((commit) => commit !== active && commit !== before?.commit);
  return [
    ...(before === undefined || before.commit === active ? [] : [before.commit]),
    ...newestFirst(installation, ref, older),
  ];
}

function dropVersions(installation: Installation, ref: Ref, commits: readonly string[]): void {
  retire(
    installation,
    commits.map((commit) => join(refFolder(installation, ref), commit)),
  );
}
