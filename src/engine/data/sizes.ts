// SPDX-License-Identifier: Apache-2.0
import { constants, lstatSync, readdirSync } from "node:fs";
import { checkCancelled, errnoOf, fileError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { Descriptor } from "../../sys/beneath.ts";
import { type DataSet, openData } from "./sets.ts";

/** Bytes on disk below a set's folder. */
export interface DataSizes {
  readonly total: number;
  readonly cache: number;
  readonly config: number;
  readonly data: number;
  /** Everything else: state, what `--persist` keeps. */
  readonly other: number;
}

/** Files with several names count once. */
function sizeBelow(folder: Descriptor, depth: number, seen: Set<string>, signal: AbortSignal | undefined): number {
  if (depth > limits.pathDepth) return 0;
  checkCancelled(signal);
  let sum = 0;
  for (const name of readdirSync(folder.path)) {
    const status = lstatSync(`${folder.path}/${name}`, { throwIfNoEntry: false });
    if (status === undefined) continue;
    const key = status.nlink > 1 && !status.isDirectory() ? `${status.dev}:${status.ino}` : undefined;
    if (key !== undefined && seen.has(key)) continue;
    if (key !== undefined) seen.add(key);
    sum += status.blocks * 512;
    if (status.isDirectory()) sum += sizeOfFolder(folder, name, depth, seen, signal);
  }
  return sum;
}

/** A folder that a running app takes away meanwhile counts nothing. */
function sizeOfFolder(
  parent: Descriptor,
  name: string,
  depth: number,
  seen: Set<string>,
  signal: AbortSignal | undefined,
): number {
  try {
    using below = Descriptor.beneath(parent, name, constants.O_RDONLY | constants.O_DIRECTORY);
    return sizeBelow(below, depth + 1, seen, signal);
  } catch (error) {
    if (["ENOENT", "ELOOP", "ENOTDIR"].includes(errnoOf(error) ?? "")) return 0;
    throw errnoOf(error) === undefined ? error : fileError(error, "look into", name);
  }
}

/** What a set takes on disk, by the folders that every app has. */
export function measureSet(set: DataSet, signal?: AbortSignal): DataSizes {
  using root = openData(set);
  const seen = new Set<string>();
  const [cache = 0, config = 0, data = 0] = ["cache", "config", "data"].map((name) =>
    sizeOfFolder(root, name, 1, seen, signal),
  );
  const total = sizeBelow(root, 1, new Set(), signal);
  return { total, cache, config, data, other: Math.max(0, total - cache - config - data) };
}
