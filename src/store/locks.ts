// SPDX-License-Identifier: Apache-2.0
import { lstatSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { DowelError, fileError, isDowelError } from "../base/errors.ts";
import { type Report, silent } from "../base/events.ts";
import { lockFile } from "../sys/locks.ts";
import type { Installation } from "./installation.ts";
import { namesIn } from "./names.ts";

export interface WaitOptions {
  readonly report?: Report | undefined;
  readonly signal?: AbortSignal | undefined;
  /** How long to wait for another process; without it, until cancelled. */
  readonly waitMilliseconds?: number | undefined;
}

export interface CheckOptions {
  /** Looks once more at what was decided before; called under the lock for changes. What it throws ends the change. */
  readonly check?: (() => void) | undefined;
}

/** Interrupted transfers are kept so long, in milliseconds. */
const keepBlobs = 7 * 24 * 3600 * 1000;

const repairHint = "Run this, which takes it away: dowel repair";

/** Waits shorter than this are not worth a message; in milliseconds. */
const unspokenWait = 300;

/** Takes the lock for changes of deployments. Throws `STORE_LOCKED` where the wait is over. */
export async function lockForChange(installation: Installation, options: WaitOptions = {}): Promise<Disposable> {
  return await take(installation, "lock", true, options);
}

/**
 * Keeps objects and images from being collected as garbage, from the import to the deployment that refers to them.
 * Any number of processes may hold a pin; the first sweeps what dead processes left in `tmp/`.
 */
export async function pinObjects(installation: Installation, options: WaitOptions = {}): Promise<Disposable> {
  requireFolders(installation);
  using alone = await tryLock(installation, "pins");
  if (alone !== undefined) sweep(installation);
  alone?.[Symbol.dispose]();
  return await take(installation, "pins", false, options);
}

/** Waits until nobody pins objects, and keeps others from pinning some. Sweeps `tmp/`, unless that is not wanted. */
export async function lockObjects(
  installation: Installation,
  options: WaitOptions & { readonly keepLeftovers?: boolean } = {},
): Promise<Disposable> {
  const lock = await take(installation, "pins", true, options);
  if (options.keepLeftovers === true) return lock;
  try {
    requireFolders(installation);
    sweep(installation);
    return lock;
  } catch (error) {
    lock[Symbol.dispose]();
    throw error;
  }
}

async function tryLock(installation: Installation, name: string): Promise<Disposable | undefined> {
  try {
    const lock = await lockFile(join(installation.path, name), { exclusive: true, waitMilliseconds: 0 });
    return lock === undefined ? undefined : once(lock);
  } catch (error) {
    throw lockError(error, join(installation.path, name));
  }
}

function lockError(error: unknown, path: string): DowelError {
  if (!isDowelError(error, "STORE_INVALID")) return fileError(error, "lock", path);
  return new DowelError(error.code, error.message, { hint: repairHint, cause: error });
}

async function take(installation: Installation, name: string, exclusive: boolean, options: WaitOptions) {
  const path = join(installation.path, name);
  const { signal, waitMilliseconds: wait } = options;
  try {
    const quick = await lockFile(path, {
      exclusive,
      signal,
      waitMilliseconds: Math.min(unspokenWait, wait ?? unspokenWait),
    });
    if (quick !== undefined) return once(quick);
    (options.report ?? silent)({ type: "note", text: `Waiting for another process that changes ${installation.path}` });
    const lock = await lockFile(path, { exclusive, signal, ...(wait === undefined ? {} : { waitMilliseconds: wait }) });
    if (lock !== undefined) return once(lock);
  } catch (error) {
    throw lockError(error, path);
  }
  throw new DowelError("STORE_LOCKED", `Another process is changing ${installation.path}`, {
    hint: "Wait until it is done and run the same command again.",
  });
}

/** A lock whose end may be asked for twice. */
function once(lock: Disposable): Disposable {
  let held = true;
  return {
    [Symbol.dispose]: () => {
      if (held) lock[Symbol.dispose]();
      held = false;
    },
  };
}

/**
 * What lies behind a link is not the installation's own, and must not go with it: neither by a sweep nor as garbage.
 * Throws `STORE_INVALID`.
 */
function requireFolders({ objects, layers, images, tmp }: Installation): void {
  for (const path of [objects, layers, images, tmp, join(tmp, "blobs")]) {
    // In this order: what is no folder has nothing in it.
    if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory() !== false) continue;
    throw new DowelError("STORE_INVALID", `${path}: something else lies in the place of a folder`, {
      hint: repairHint,
    });
  }
}

/** Removes what dead processes left behind; to be called only while nobody holds a pin. */
function sweep(installation: Installation): void {
  for (const name of namesIn(installation.tmp)) {
    if (name !== "blobs") rmSync(join(installation.tmp, name), { recursive: true, force: true });
  }
  const blobs = join(installation.tmp, "blobs");
  for (const name of namesIn(blobs)) {
    const path = join(blobs, name);
    if (Date.now() - statSync(path).mtimeMs > keepBlobs) rmSync(path, { force: true });
  }
}
