// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, renameSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileError } from "../../base/errors.ts";
import { syncFolder } from "../../sys/durability.ts";
import type { Installation } from "../installation.ts";
import { namesIn } from "../names.ts";
import { removeFolder } from "./remove.ts";
import { findRunning, type Running } from "./running.ts";

/** Deployments that are removed while they run wait here, as `COMMIT.NUMBER`, and keep their images and objects. */
function retiredFolder(installation: Pick<Installation, "path">): string {
  return join(installation.path, ".removed");
}

function isInUse(commit: string, { commits, starting }: Running): boolean {
  return starting || commits.has(commit);
}

/** Takes deployments away: what runs is put aside until it ends, all else goes at once. */
export function retire(installation: Installation, paths: readonly string[]): void {
  if (paths.length === 0) return;
  const running = findRunning();
  for (const path of paths) {
    if (isInUse(basename(path), running)) putAside(installation, path);
    else removeFolder(installation, path);
  }
}

function putAside(installation: Installation, path: string): void {
  const folder = retiredFolder(installation);
  try {
    mkdirSync(folder, { recursive: true });
    const taken = new Set(namesIn(folder));
    let number = 0;
    while (taken.has(`${basename(path)}.${number}`)) number += 1;
    renameSync(path, join(folder, `${basename(path)}.${number}`));
    syncFolder(folder);
    syncFolder(dirname(path));
  } catch (error) {
    throw fileError(error, "put aside", path);
  }
}

/** Removes what was put aside and has ended; answers the commits that still run. */
export function removeEnded(installation: Installation): ReadonlySet<string> {
  const folder = retiredFolder(installation);
  const waiting = namesIn(folder);
  if (waiting.length === 0) return new Set();
  const running = findRunning();
  const kept = new Set<string>();
  for (const name of waiting) {
    const commit = name.replace(/\..*$/, "");
    if (isInUse(commit, running)) kept.add(commit);
    else removeFolder(installation, join(folder, name));
  }
  return kept;
}

/** The commits that were put aside, whether they still run or not. */
export function retiredCommits(installation: Pick<Installation, "path">): ReadonlySet<string> {
  return new Set(namesIn(retiredFolder(installation)).map((name) => name.replace(/\..*$/, "")));
}
