// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import {
  accessSync,
  constants,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { DowelError, errnoOf, fileError, isDowelError } from "../base/errors.ts";
import { fsVerityDigest } from "../formats/fsverity/digest.ts";
import { formatRef } from "../metadata/ref.ts";
import { lockFile } from "../sys/locks.ts";
import { mountComposefs, unmount } from "../sys/mounts.ts";
import { readPlainFile } from "../sys/plainfile.ts";
import { deployedCommits, listDeployments, readDeployment, refsOf, tryRead } from "./deployments.ts";
import { imageFile } from "./image/stored.ts";
import { type Installation, installationAt } from "./installation.ts";
import { isSealed, requireObjects, sealImage } from "./seal.ts";
import { isRootsOwn } from "./trust.ts";
import type { Deployment } from "./types.ts";

/** Where composefs images are mounted, each once for everybody, at `INSTALLATION/IMAGE`. */
export const runFolder = "/run/dowel";
const mountsFolder = join(runFolder, "images");

/** Two installations may have the same image, with objects of their own, so their mounts must not be mixed up. */
function installationKey(path: string): string {
  return createHash("sha256").update(path).digest("hex").slice(0, 16);
}

export function mountPoint(installationPath: string, imageDigest: string): string {
  return join(mountsFolder, installationKey(installationPath), imageDigest);
}

/** Notes which folder of objects the mounts of an installation read: one that was deleted and made anew has another. */
function objectsMark(path: string): string {
  return `${join(mountsFolder, installationKey(path))}.objects`;
}

function objectsIdentity(path: string): string {
  const status = statSync(join(path, "objects"), { throwIfNoEntry: false });
  return `${status?.dev}:${status?.ino}\n`;
}

function readsOwnObjects(path: string): boolean {
  try {
    return readFileSync(objectsMark(path), "utf8") === objectsIdentity(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return false;
    throw fileError(error, "read", objectsMark(path));
  }
}

/** Takes away the mounts of an installation that read objects which are no longer its own. */
function forgetForeignMounts(path: string): void {
  if (readsOwnObjects(path)) return;
  const folder = dirname(mountPoint(path, "any"));
  if (lstatSync(folder, { throwIfNoEntry: false }) !== undefined) {
    for (const name of readdirSync(folder)) hideMountPoint(join(folder, name));
  }
  writeFileSync(objectsMark(path), objectsIdentity(path));
}

/** The folder of the installation that has a deployment. */
export function installationOf(deployment: Pick<Deployment, "path">): string {
  return resolve(deployment.path, "../../../../..");
}

/** The folder that holds `app` or `usr` of a deployment: a lower layer of the sandbox's root. */
export function lowerOf(deployment: Pick<Deployment, "path" | "shownAs" | "imageDigest">): string {
  if (deployment.shownAs === "checkout") return join(deployment.path, "root");
  return mountPoint(installationOf(deployment), deployment.imageDigest);
}

/** Whether something is mounted on a folder: then it is on another device than its parent. */
export function isMounted(path: string): boolean {
  try {
    return statSync(path).dev !== statSync(dirname(path)).dev;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return false;
    throw fileError(error, "look at", path);
  }
}

/** Whether the image with a digest is mounted, with the objects of the installation; so all that it needs was looked at. */
export function isImageMounted({ path }: Pick<Installation, "path">, imageDigest: string): boolean {
  return isMounted(mountPoint(path, imageDigest)) && readsOwnObjects(path);
}

/** Whether the files of a deployment can be read. */
export function isShown(deployment: Deployment): boolean {
  return (
    deployment.shownAs === "checkout" || (isMounted(lowerOf(deployment)) && readsOwnObjects(installationOf(deployment)))
  );
}

/**
 * Sees to it that the files of a deployment can be read: mounts its composefs image unless that is done. Only root can
 * mount; throws `UNSUPPORTED` for others where nobody has done it since the last boot. `isWhole`: this process has written
 * the image, and looked at all its objects since it pinned them. Then neither is looked at again: the pin keeps Dowel's own
 * changes away, and but for them only root can change them, who could do so after the mount as well.
 */
export async function ensureShown(deployment: Deployment, signal?: AbortSignal, isWhole = false): Promise<void> {
  if (isShown(deployment)) return;
  const target = lowerOf(deployment);
  const path = installationOf(deployment);
  if (process.geteuid?.() !== 0) {
    throw new DowelError(
      "UNSUPPORTED",
      `The files of ${formatRef(deployment.ref)} are not mounted, and only root can do it`,
      { hint: `Run ${isOwn(path) ? "this: dowel repair --user" : "this as root: dowel plumbing mount"}` },
    );
  }
  const installation = installationAt({ name: "", kind: "system", path, priority: 0 });
  mkdirSync(mountsFolder, { recursive: true, mode: 0o755 });
  using _lock = await lockFile(join(mountsFolder, "lock"), { exclusive: true, signal });
  forgetForeignMounts(path);
  if (isMounted(target)) return;
  mkdirSync(target, { recursive: true, mode: 0o755 });
  try {
    const { image, verity } = trustedImage(installation, deployment, isWhole);
    mountComposefs({ image, objects: installation.objects, target, verity });
  } catch (error) {
    throw fileError(error, `mount the image of ${formatRef(deployment.ref)} on`, target);
  }
}

/** Whether the caller may change an installation, so that repair can show its images by hard links. */
function isOwn(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * The composefs image of a deployment, if only root can have written it and it is what was written; and whether the
 * kernel can hold it and all its objects to their digests. What was installed where it could not is sealed now.
 */
function trustedImage(
  installation: Installation,
  { commit, imageDigest }: Deployment,
  isWhole: boolean,
): { readonly image: string; readonly verity: boolean } {
  if (!isRootsOwn(installation)) {
    throw new DowelError(
      "NOT_PERMITTED",
      `${installation.path} can be changed by others than root, so its images are not mounted`,
    );
  }
  const image = imageFile(installation, commit);
  if (isSealed(installation, commit, imageDigest)) return { image, verity: true };
  if (isWhole) return { image, verity: sealImage(installation, commit, imageDigest) };
  const digest = Buffer.from(fsVerityDigest(readPlainFile(image))).toString("hex");
  if (digest === imageDigest) {
    requireObjects(installation, commit);
    return { image, verity: sealImage(installation, commit, imageDigest) };
  }
  throw new DowelError("STORE_INVALID", `${image}: digest is ${digest}, expected ${imageDigest}`);
}

/**
 * Mounts the images of all deployments, as after a boot; answers how many deployments are shown by mounts. One that
 * cannot be mounted does not hinder the others: the first error is thrown when all have been tried.
 */
export async function mountAll(installation: Installation, signal?: AbortSignal): Promise<number> {
  let count = 0;
  const errors: DowelError[] = [];
  for (const deployment of listDeployments(installation)) {
    if (deployment.shownAs !== "composefs") continue;
    try {
      await ensureShown(deployment, signal);
      count += 1;
    } catch (error) {
      if (!isDowelError(error) || error.code === "ABORTED") throw error;
      errors.push(error);
    }
  }
  if (errors[0] !== undefined) throw errors[0];
  return count;
}

/**
 * Mounts the image of a deployed version, active or only kept, by its composefs digest. Answers whether that had not been
 * done. Throws `NOT_INSTALLED` where no version has it, and what `ensureShown` throws.
 */
export async function mountImage(installation: Installation, digest: string, signal?: AbortSignal): Promise<boolean> {
  for (const deployment of allDeployments(installation)) {
    if (deployment.imageDigest !== digest || deployment.shownAs !== "composefs") continue;
    if (isShown(deployment)) return false;
    await ensureShown(deployment, signal);
    return true;
  }
  throw new DowelError("NOT_INSTALLED", `Nothing that is installed in ${installation.path} has the image ${digest}`);
}

/** Every version that is deployed, and whole. */
function* allDeployments(installation: Installation): Iterable<Deployment> {
  for (const ref of refsOf(installation)) {
    for (const commit of deployedCommits(installation, ref)) {
      const deployment = tryRead(() => readDeployment(installation, ref, commit));
      if (deployment !== undefined) yield deployment;
    }
  }
}

/** Unmounts the images that no deployment of the installation shows any more. Does nothing unless called by root. */
export function unmountUnused(installation: Installation, candidates: Iterable<string>): void {
  if (process.geteuid?.() !== 0) return;
  const used = new Set([...allDeployments(installation)].map(({ imageDigest }) => imageDigest));
  for (const digest of candidates) if (!used.has(digest)) hideMountPoint(mountPoint(installation.path, digest));
}

/** Takes away the mount of an image, so that the next use mounts it anew; what runs on it goes on. */
export function hideImage(installation: Pick<Installation, "path">, imageDigest: string): void {
  if (process.geteuid?.() === 0) hideMountPoint(mountPoint(installation.path, imageDigest));
}

/** Unmounts what is mounted on a place for an image, if anything is, and removes the place. */
export function hideMountPoint(target: string): void {
  if (lstatSync(target, { throwIfNoEntry: false }) === undefined) return;
  try {
    if (isMounted(target)) unmount(target);
    rmdirSync(target);
  } catch (error) {
    throw fileError(error, "unmount", target);
  }
}
