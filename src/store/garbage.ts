// SPDX-License-Identifier: Apache-2.0
import { readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { errnoOf, fileError, isDowelError } from "../base/errors.ts";
import { silent } from "../base/events.ts";
import { decodeConfig } from "../oci/config.ts";
import { digestHex } from "../oci/digest.ts";
import { removeFolder } from "./deploy/remove.ts";
import { removeEnded } from "./deploy/retire.ts";
import { deployedCommits, refsOf } from "./deployments.ts";
import { imageFolder } from "./image/stored.ts";
import type { Installation } from "./installation.ts";
import { lockForChange, lockObjects, type WaitOptions } from "./locks.ts";
import { DigestTable } from "./objects/digests.ts";
import { visitObjects } from "./objects/list.ts";
import { unmountUnused } from "./shown.ts";

export interface Collected {
  readonly images: number;
  readonly objects: number;
  readonly bytes: number;
}

/**
 * Removes images that nothing deploys or runs (and unmounts them), then records of layers and objects that no image needs.
 * Waits for imports of other processes; must not be called while this process holds a pin. Safe to interrupt: what
 * is left is found the next time.
 */
export async function collectGarbage(installation: Installation, options: WaitOptions = {}): Promise<Collected> {
  using _objects = await lockObjects(installation, options);
  using _lock = await lockForChange(installation, options);
  try {
    const images = removeImages(installation);
    const live = [...names(installation.images)];
    return { images, ...collectUnused(installation, live, options) };
  } catch (error) {
    throw fileError(error, "collect garbage in", installation.path);
  }
}

/** While an image is damaged, so that what it needs is not known, everything stays. */
function collectUnused(
  installation: Installation,
  live: readonly string[],
  { report = silent }: WaitOptions,
): { objects: number; bytes: number } {
  try {
    removeRecords(installation, live);
    return removeObjects(installation, live);
  } catch (error) {
    if (!isDowelError(error)) throw error;
    report({ type: "warning", text: `Unused content is kept until the store is repaired: ${error.message}` });
    return { objects: 0, bytes: 0 };
  }
}

function removeImages(installation: Installation): number {
  const deployed = new Set(removeEnded(installation));
  for (const ref of refsOf(installation)) {
    for (const commit of deployedCommits(installation, ref)) deployed.add(commit);
  }
  const dead = names(installation.images).filter((commit) => !deployed.has(commit));
  const digests = dead.map((commit) => read(join(imageFolder(installation, commit), "digest")).trim());
  unmountUnused(
    installation,
    digests.filter((digest) => digest !== ""),
  );
  for (const commit of dead) removeFolder(installation, imageFolder(installation, commit));
  return dead.length;
}

function removeRecords(installation: Installation, images: readonly string[]): void {
  const used = new Set<string>();
  for (const commit of images) {
    const folder = imageFolder(installation, commit);
    for (const diffId of decodeConfig(readRequired(join(folder, "config.json")), folder).diffIds)
      used.add(digestHex(diffId));
  }
  for (const name of names(installation.layers)) if (!used.has(name)) rmSync(join(installation.layers, name));
}

function removeObjects(installation: Installation, images: readonly string[]): { objects: number; bytes: number } {
  const used = new DigestTable();
  for (const commit of images) visitObjects(installation, commit, (digest) => used.add(digest));
  let objects = 0;
  let bytes = 0;
  for (const folder of names(installation.objects)) {
    for (const name of names(join(installation.objects, folder))) {
      if (used.has(`${folder}${name.slice(0, 62)}`)) continue;
      const path = join(installation.objects, folder, name);
      bytes += statSync(path).size;
      objects += 1;
      rmSync(path);
    }
  }
  return { objects, bytes };
}

function readRequired(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    throw fileError(error, "read", path);
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return "";
    throw error;
  }
}

function names(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
}
