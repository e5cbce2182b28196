// SPDX-License-Identifier: Apache-2.0
import { existsSync, readdirSync, rmdirSync, unlinkSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { errnoOf } from "../../base/errors.ts";
import { readLink, swapLink } from "../deploy/links.ts";
import type { Installation } from "../installation.ts";

/**
 * Brings `exports/` in line with what the current deployment of an app exports: makes the links that are missing, then
 * removes those that lead nowhere, of any app. Links are relative and go through `current` and `active`, so an
 * update changes what they show without touching them.
 */
export function publishExports(installation: Installation, id: string): void {
  linkExports(installation, id, join(installation.path, "app", id, "current/active"));
  removeDangling(installation.exports);
}

/** Makes the links for what a deployment exports, which may lead nowhere until it is the active one. */
export function linkExports(installation: Installation, id: string, deployment: string): void {
  for (const [link, target] of exportsOf(installation, id, deployment)) swapLink(target, link);
}

/** The links in `exports/` that are an app's, with what they must lead to, by the files of one of its deployments. */
export function* exportsOf(
  installation: Installation,
  id: string,
  deployment: string,
): Generator<[link: string, target: string]> {
  const shown = join(installation.path, "app", id, "current/active/export");
  for (const path of filesBelow(join(deployment, "export"), "")) {
    const link = join(installation.exports, path);
    if (!belongsToNearerApp(link, id)) yield [link, relative(dirname(link), join(shown, path))];
  }
}

/** Of two apps that may both use a name, as `ID` and `ID.Tool`, the one with the longer id has it. */
function belongsToNearerApp(link: string, id: string): boolean {
  const owner = /^(?:\.\.\/)+app\/([^/]+)\/current\//.exec(readLink(link) ?? "")?.[1];
  return owner !== undefined && owner.length > id.length && existsSync(link);
}

function* filesBelow(folder: string, below: string): Generator<string> {
  for (const entry of entries(folder)) {
    const path = below === "" ? entry.name : `${below}/${entry.name}`;
    if (entry.isDirectory()) yield* filesBelow(join(folder, entry.name), path);
    else if (entry.isFile()) yield path;
  }
}

/** Removes links to nothing, and the folders that are empty then; answers whether anything is left. */
function removeDangling(folder: string): boolean {
  let left = false;
  for (const entry of entries(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      if (removeDangling(path)) left = true;
      else rmdirSync(path);
    } else if (entry.isSymbolicLink() && !existsSync(path)) unlinkSync(path);
    else left = true;
  }
  return left;
}

function entries(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
}
