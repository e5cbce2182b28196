// SPDX-License-Identifier: Apache-2.0
import { rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { errnoOf, fileError, isDowelError } from "../base/errors.ts";
import { silent } from "../base/events.ts";
import { decodeConfig } from "../oci/config.ts";
import { digestHex } from "../oci/digest.ts";
import { readPlainFile } from "../sys/plainfile.ts";
import { removeFolder } from "./deploy/remove.ts";
import { removeEnded } from "./deploy/retire.ts";
import { deployedCommits, refsOf, tryRead } from "./deployments.ts";
import { imageFolder } from "./image/stored.ts";
import type { Installation } from "./installation.ts";
import { lockForChange, lockObjects, type WaitOptions } from "./locks.ts";
import { namesIn } from "./names.ts";
import { DigestTable } from "./objects/digests.ts";
import { visitObjects } from "./objects/list.ts";
import { objectPath } from "./objects/paths.ts";
import { pulledCommits } from "./pulled.ts";
import { unmountUnused } from "./shown.ts";
import { mayHaveStrays, noteNoStrays } from "./unfinished.ts";

export interface Collected {
  readonly images: number;
  readonly objects: number;
  readonly bytes: number;
}

/** More unused objects than this are found by looking at all that there are, so that memory stays bounded. */
const manyObjects = 200_000;

/**
 * Removes images that nothing deploys or runs (and unmounts them), then records of layers and objects that no image needs.
 * Looks only at the objects of those images, unless an import ended early since the last time. Waits for imports of
 * other processes; must not be called while this process holds a pin. Safe to interrupt: an image goes after its
 * objects, so what is left is found the next time.
 */
export async function collectGarbage(installation: Installation, options: WaitOptions = {}): Promise<Collected> {
  using _objects = await lockObjects(installation, options);
  using _lock = await lockForChange(installation, options);
  try {
    const dead = deadImages(installation);
    const live = namesIn(installation.images).filter((commit) => !dead.includes(commit));
    const digests = dead.map((commit) => read(join(imageFolder(installation, commit), "digest")).trim());
    unmountUnused(
      installation,
      digests.filter((digest) => digest !== ""),
    );
    const collected = collectUnused(installation, dead, live, options);
    if (collected === undefined) return { images: 0, objects: 0, bytes: 0 };
    for (const commit of dead) removeFolder(installation, imageFolder(installation, commit));
    return { images: dead.length, ...collected };
  } catch (error) {
    throw fileError(error, "collect garbage in", installation.path);
  }
}

function deadImages(installation: Installation): readonly string[] {
  const images = namesIn(installation.images);
  const needed = new Set([...removeEnded(installation), ...pulledCommits(installation)]);
  for (const ref of refsOf(installation)) {
    for (const commit of deployedCommits(installation, ref)) needed.add(commit);
  }
  return images.filter((commit) => !needed.has(commit));
}

/** While an image is damaged, so that what it needs is not known, everything stays; undefined then. */
function collectUnused(
  installation: Installation,
  dead: readonly string[],
  live: readonly string[],
  { report = silent }: WaitOptions,
): { objects: number; bytes: number } | undefined {
  try {
    removeRecords(installation, live);
    const candidates = mayHaveStrays(installation) ? undefined : objectsOfDead(installation, dead);
    if (candidates !== undefined) return removeCandidates(installation, candidates, live);
    const removed = removeAllUnused(installation, live);
    noteNoStrays(installation);
    return removed;
  } catch (error) {
    if (!isDowelError(error)) throw error;
    report({ type: "warning", text: `Unused content is kept until the store is repaired: ${error.message}` });
    return undefined;
  }
}

/** Undefined where there are too many, or where nobody knows. */
function objectsOfDead(installation: Installation, dead: readonly string[]): Set<string> | undefined {
  const digests = new Set<string>();
  for (const commit of dead) {
    const isKnown = tryRead(() => {
      visitObjects(installation, commit, (digest) => digests.add(digest));
      return true;
    });
    if (isKnown !== true || digests.size > manyObjects) return undefined;
  }
  return digests;
}

function removeRecords(installation: Installation, images: readonly string[]): void {
  const used = new Set<string>();
  for (const commit of images) {
    const folder = imageFolder(installation, commit);
    for (const diffId of decodeConfig(readRequired(join(folder, "config.json")), folder).diffIds)
      used.add(digestHex(diffId));
  }
  for (const name of namesIn(installation.layers)) {
    if (!used.has(name.replace(/\.toc$/, ""))) rmSync(join(installation.layers, name));
  }
}

function removeCandidates(installation: Installation, candidates: Set<string>, images: readonly string[]) {
  if (candidates.size > 0) {
    for (const commit of images) visitObjects(installation, commit, (digest) => candidates.delete(digest));
  }
  const removed = { objects: 0, bytes: 0 };
  for (const digest of candidates) {
    const path = objectPath(installation, digest);
    for (const name of [path, `${path}.x`, `${path}.r`]) removeObject(name, removed);
  }
  return removed;
}

function removeAllUnused(installation: Installation, images: readonly string[]): { objects: number; bytes: number } {
  const used = new DigestTable();
  for (const commit of images) visitObjects(installation, commit, (digest) => used.add(digest));
  const removed = { objects: 0, bytes: 0 };
  for (const folder of namesIn(installation.objects)) {
    for (const name of namesIn(join(installation.objects, folder))) {
      if (!used.has(`${folder}${name.slice(0, 62)}`)) removeObject(join(installation.objects, folder, name), removed);
    }
  }
  return removed;
}

function removeObject(path: string, removed: { objects: number; bytes: number }): void {
  const status = statSync(path, { throwIfNoEntry: false });
  if (status === undefined) return;
  rmSync(path);
  removed.objects += 1;
  removed.bytes += status.size;
}

function readRequired(path: string): Uint8Array {
  try {
    return readPlainFile(path);
  } catch (error) {
    throw fileError(error, "read", path);
  }
}

function read(path: string): string {
  try {
    return readPlainFile(path).toString();
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return "";
    throw error;
  }
}
