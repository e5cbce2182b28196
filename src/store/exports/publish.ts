// SPDX-License-Identifier: Apache-2.0
import { existsSync, rmdirSync, unlinkSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { type Report, silent } from "../../base/events.ts";
import { readLink, swapLink } from "../deploy/links.ts";
import { refsOf } from "../deployments.ts";
import type { Installation } from "../installation.ts";
import { entriesIn } from "../names.ts";

/**
 * Brings `exports/` in line with what the current deployment of an app exports: makes the links that are missing, then
 * removes those that lead nowhere, of any app. Links are relative and go through `current` and `active`, so an
 * update changes what they show without touching them. The name of a command that its app no longer has goes to the
 * first other app, by its id, that has a command of that name.
 */
export function publishExports(installation: Installation, id: string): void {
  linkExports(installation, id, join(installation.path, "app", id, "current/active"));
  const free: string[] = [];
  removeDangling(installation.exports, free);
  const commands = free.filter((path) => dirname(path) === commandFolder(installation)).map((path) => basename(path));
  if (commands.length > 0) passOn(installation, commands);
}

function commandFolder(installation: Installation): string {
  return join(installation.exports, "bin");
}

function passOn(installation: Installation, commands: readonly string[]): void {
  const apps = new Set([...refsOf(installation)].flatMap(({ kind, id }) => (kind === "app" ? [id] : [])));
  for (const name of commands) {
    const link = join(commandFolder(installation), name);
    for (const app of apps) {
      const target = join(installation.path, "app", app, "current/active/export/bin", name);
      if (readLink(link) === undefined && existsSync(target)) swapLink(relative(dirname(link), target), link);
    }
  }
}

/**
 * Makes the links for what a deployment exports, which may lead nowhere until it is the active one. Says which command
 * another app has already.
 */
export function linkExports(installation: Installation, id: string, deployment: string, report: Report = silent): void {
  for (const [link, target] of exportsOf(installation, id, deployment)) swapLink(target, link);
  for (const name of filesBelow(join(deployment, "export/bin"), "")) {
    const owner = ownerOf(join(commandFolder(installation), name));
    if (owner === undefined || owner === id) continue;
    report({ type: "warning", text: `The command ${name} is that of ${owner} already; ${id} runs by its id` });
  }
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
    if (!belongsToAnother(installation, link, id)) yield [link, relative(dirname(link), join(shown, path))];
  }
}

function ownerOf(link: string): string | undefined {
  return /^(?:\.\.\/)+app\/([^/]+)\/current\//.exec(readLink(link) ?? "")?.[1];
}

/**
 * Of two apps that may both use a name, as `ID` and `ID.Tool`, the one with the longer id has it; of two whose commands
 * have one name, the one that came first, so that no app can take it away from another.
 */
function belongsToAnother(installation: Installation, link: string, id: string): boolean {
  const owner = ownerOf(link);
  if (owner === undefined || owner === id || !existsSync(link)) return false;
  return dirname(link) === commandFolder(installation) || owner.length > id.length;
}

function* filesBelow(folder: string, below: string): Generator<string> {
  for (const entry of entriesIn(folder)) {
    const path = below === "" ? entry.name : `${below}/${entry.name}`;
    if (entry.isDirectory()) yield* filesBelow(join(folder, entry.name), path);
    else if (entry.isFile()) yield path;
  }
}

/** Removes links to nothing, which it notes, and the folders that are empty then; answers whether anything is left. */
function removeDangling(folder: string, removed: string[]): boolean {
  let left = false;
  for (const entry of entriesIn(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      if (removeDangling(path, removed)) left = true;
      else rmdirSync(path);
    } else if (entry.isSymbolicLink() && !existsSync(path)) {
      unlinkSync(path);
      removed.push(path);
    } else left = true;
  }
  return left;
}
