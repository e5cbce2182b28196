// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { checkCancelled, DowelError, fileError } from "../../base/errors.ts";
import { silent } from "../../base/events.ts";
import { formatRef } from "../../metadata/ref.ts";
import { syncFileSystem, syncFolder, writeFileDurably } from "../../sys/durability.ts";
import {
  activeDeployment,
  currentLink,
  currentRef,
  deployedCommits,
  encodeDeployment,
  readDeployment,
  refFolder,
} from "../deployments.ts";
import { collectExports } from "../exports/collect.ts";
import { publishExports } from "../exports/publish.ts";
import { imageFile, type StoredImage } from "../image/stored.ts";
import type { Installation } from "../installation.ts";
import { lockForChange, pinObjects, type WaitOptions } from "../locks.ts";
import { chooseShownAs } from "../probe.ts";
import { ensureShown, lowerOf } from "../shown.ts";
import type { Deployment } from "../types.ts";
import { checkOut } from "./checkout.ts";
import { swapLink } from "./links.ts";
import { removeFolder } from "./remove.ts";

export interface DeployOptions extends WaitOptions {
  /** Name of the remote. */
  readonly origin: string;
  /** `docker://HOST/REPO` or `oci:DIR`, for updates. */
  readonly source: string;
}

/**
 * Makes a stored image the active deployment of its ref: built in `tmp/`, synced, renamed into place, then `active` is
 * switched, so at every moment either the old or the new one is there. The first branch of an app becomes its current
 * one, and what the current one exports is linked in `exports/`. The deployment before is kept, older ones go.
 *
 * Throws `EXPORT_INVALID`, `KEYFILE_SYNTAX`, `NO_SPACE`, `STORE_LOCKED`; the deployment before is active then. Only where
 * the links in `exports/` cannot be made the new one is, and the next change makes them.
 */
export async function deployImage(
  installation: Installation,
  image: StoredImage,
  options: DeployOptions,
): Promise<Deployment> {
  const { report = silent, signal } = options;
  const name = formatRef(image.ref);
  report({ type: "deploy.start", ref: name });
  using _pin = await pinObjects(installation, options);
  using _lock = await lockForChange(installation, options);
  checkCancelled(signal);
  if (!existsSync(imageFile(installation, image.commit))) {
    throw new DowelError("STORE_INVALID", `The image ${image.commit} of ${name} has gone from ${installation.path}`);
  }
  const before = activeDeployment(installation, image.ref);
  const deployment = stage(installation, image, options);
  try {
    await activate(installation, deployment, before, signal);
    if (image.ref.kind === "app") exportApp(installation, image, before === undefined);
    dropOlder(installation, deployment, before);
  } catch (error) {
    throw fileError(error, "deploy", deployment.path);
  }
  report({ type: "deploy.done", ref: name, files: image.files, newObjects: image.newObjects });
  return deployment;
}

/** Builds the deployment and puts it in its place. One of the same image that is there already stays. */
function stage(installation: Installation, image: StoredImage, options: DeployOptions): Deployment {
  const path = join(refFolder(installation, image.ref), image.commit);
  const { report = silent } = options;
  const deployment: Deployment = {
    ref: image.ref,
    commit: image.commit,
    path,
    origin: options.origin,
    source: options.source,
    metadata: image.metadata,
    shownAs: chooseShownAs(installation),
    imageDigest: image.imageDigest,
    installedSize: image.installedSize,
    downloadSize: image.downloadSize,
    deployedAt: Math.floor(Date.now() / 1000),
    labels: image.labels,
  };
  const there = readDeployment(installation, image.ref, image.commit);
  if (there?.imageDigest === deployment.imageDigest && there.shownAs === deployment.shownAs) {
    writeFileDurably(join(path, "deploy.json"), encodeDeployment(deployment));
    return deployment;
  }
  const staged = mkdtempSync(join(installation.tmp, "deploy-"));
  const folder = join(staged, "deployment");
  try {
    mkdirSync(folder, { mode: 0o755 });
    if (deployment.shownAs === "checkout") checkOut(installation, image.view.root, join(folder, "root"));
    const shown = deployment.shownAs === "checkout" ? "root" : lowerOf(deployment);
    symlinkSync(join(shown, image.ref.kind === "app" ? "app" : "usr"), join(folder, "files"));
    writeFileSync(join(folder, "metadata"), image.metadata);
    writeFileSync(join(folder, "deploy.json"), encodeDeployment(deployment));
    collectExports(installation, image, join(folder, "export"), report);
    syncFileSystem(folder);
    if (existsSync(path)) renameSync(path, join(staged, "replaced"));
    mkdirSync(dirname(path), { recursive: true });
    renameSync(folder, path);
    syncFolder(dirname(path));
  } catch (error) {
    throw fileError(error, "deploy", path);
  } finally {
    rmSync(staged, { recursive: true, force: true });
  }
  return deployment;
}

/** Switches to a deployment; where that fails, one that was not there before goes again. */
async function activate(
  installation: Installation,
  deployment: Deployment,
  before: Deployment | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    await ensureShown(deployment, signal);
    swapLink(deployment.commit, join(refFolder(installation, deployment.ref), "active"));
  } catch (error) {
    if (before?.commit !== deployment.commit) removeFolder(installation, deployment.path);
    throw error;
  }
}

function exportApp(installation: Installation, { ref }: StoredImage, isNew: boolean): void {
  const current = currentRef(installation, ref.id);
  const hasCurrent = current !== undefined && activeDeployment(installation, current) !== undefined;
  if (isNew || !hasCurrent) swapLink(`${ref.arch}/${ref.branch}`, currentLink(installation, ref.id));
  publishExports(installation, ref.id);
}

/** Keeps the deployment that was active before, to go back to; removes all others. */
function dropOlder(installation: Installation, active: Deployment, before: Deployment | undefined): void {
  const others = deployedCommits(installation, active.ref).filter((commit) => commit !== active.commit);
  const kept =
    before !== undefined && before.commit !== active.commit ? before.commit : newest(installation, active, others);
  for (const commit of others) {
    if (commit !== kept) removeFolder(installation, join(refFolder(installation, active.ref), commit));
  }
}

function newest(installation: Installation, { ref }: Deployment, commits: readonly string[]): string | undefined {
  const time = (commit: string): number => readDeployment(installation, ref, commit)?.deployedAt ?? 0;
  return [...commits].sort((left, right) => time(right) - time(left))[0];
}
