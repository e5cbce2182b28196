// SPDX-License-Identifier: Apache-2.0
import { readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errnoOf, fileError } from "../../base/errors.ts";
import { temporaryName } from "../../sys/durability.ts";
import { tryLockFolder } from "../../sys/locks.ts";

const keptFiles = 200;
const keptLayers = 64;
const layerAgeMilliseconds = 2 * 24 * 60 * 60 * 1000;
const sharedAgeMilliseconds = 60 * 1000;

interface Aged {
  readonly path: string;
  readonly modified: number;
}

/** What a folder holds, newest first. */
function byAge(folder: string): Aged[] {
  const found: Aged[] = [];
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    try {
      found.push({ path, modified: statSync(path).mtimeMs });
    } catch (error) {
      if (errnoOf(error) !== "ENOENT") throw error;
    }
  }
  return found.sort((left, right) => right.modified - left.modified);
}

/** Removes a folder unless a running sandbox holds it. */
function removeUnused(path: string): void {
  using lock = tryLockFolder(path);
  if (lock !== undefined) rmSync(path, { recursive: true, force: true });
}

/**
 * Takes away the oldest plans, linker caches and layers past what is kept, and what instances of an app shared once none
 * runs. A plan is read whole when a sandbox starts, and a linker cache copied into a layer, so they can go at any time.
 * Layers and shared folders are held by those who use them; young ones stay for those who are about to.
 */
export function sweep(runFolder: string, now = Date.now()): void {
  for (const name of ["plans", "ld.so"]) {
    for (const { path } of byAge(`${runFolder}/${name}`).slice(keptFiles))
      rmSync(path, { recursive: true, force: true });
  }
  for (const { path, modified } of byAge(`${runFolder}/layers`).slice(keptLayers)) {
    if (now - modified > layerAgeMilliseconds) removeUnused(path);
  }
  for (const { path, modified } of byAge(`${runFolder}/apps`)) {
    if (now - modified > sharedAgeMilliseconds) removeUnused(path);
  }
}

/** Keeps an encoded plan for warm starts: aside, then by one rename; what the folder cannot take is not kept. */
export function keepPlan(runFolder: string, name: string, bytes: Uint8Array): string {
  const path = `${runFolder}/plans/${name}`;
  const aside = temporaryName(path);
  try {
    writeFileSync(aside, bytes, { flag: "wx", mode: 0o600 });
    renameSync(aside, path);
  } catch (error) {
    rmSync(aside, { force: true });
    throw fileError(error, "write", path);
  }
  return path;
}
