// SPDX-License-Identifier: Apache-2.0
import { existsSync } from "node:fs";
import { join } from "node:path";
import { readLink, swapLink } from "../deploy/links.ts";
import { activeDeployment, currentLink, currentRef, refsOf, tryRead } from "../deployments.ts";
import { exportsOf, publishExports } from "../exports/publish.ts";
import type { Installation } from "../installation.ts";
import { entriesIn } from "../names.ts";
import type { Findings } from "./findings.ts";
import { removeWithin } from "./removal.ts";

/** What desktop tools keep in the folders that they read, or left half written there; it is theirs. */
const caches = /^(?:\.?(?:mimeinfo|icon-theme)\.cache.*|index\.theme)$/;
const mimeFolder = "share/mime";

/** Checks the links `current` of apps and everything in `exports/`. */
export function checkExports(installation: Installation, findings: Findings): void {
  const wanted = new Set<string>();
  const missing: { readonly id: string; readonly link: string }[] = [];
  for (const id of new Set([...refsOf(installation)].flatMap((ref) => (ref.kind === "app" ? [ref.id] : [])))) {
    checkCurrent(installation, findings, id);
    for (const [link, target] of exportsOf(installation, id, join(installation.path, "app", id, "current/active"))) {
      wanted.add(link);
      if (readLink(link) !== target) missing.push({ id, link });
    }
  }
  // Before links are made: what is not wanted may lie where a folder of theirs must be.
  checkOthers(installation, findings, "", wanted);
  for (const { id, link } of missing) {
    findings.add("export", "missing", link, `must lead to what ${id} exports`, () => {
      removeWithin(installation, link);
      publishExports(installation, id);
    });
  }
}

function checkCurrent(installation: Installation, findings: Findings, id: string): void {
  const link = currentLink(installation, id);
  const current = currentRef(installation, id);
  const isActive = (ref: NonNullable<typeof current>): boolean =>
    tryRead(() => activeDeployment(installation, ref)) !== undefined;
  if (current !== undefined && isActive(current)) return;
  const other = [...refsOf(installation, id)].find((ref) => ref.kind === "app" && isActive(ref));
  if (other === undefined) return;
  const target = `${other.arch}/${other.branch}`;
  const what = readLink(link) === undefined ? "missing" : "damaged";
  findings.add("link", what, link, `must lead to ${target}`, () => {
    removeWithin(installation, link);
    swapLink(target, link);
  });
}

/** Whatever is in `exports/` and not wanted there. */
function checkOthers(installation: Installation, findings: Findings, below: string, wanted: ReadonlySet<string>): void {
  const top = installation.exports;
  for (const entry of entriesIn(join(top, below))) {
    const name = join(below, entry.name);
    const path = join(top, name);
    if (wanted.has(path) || isCache(name, entry.name)) continue;
    if (entry.isDirectory()) {
      checkOthers(installation, findings, name, wanted);
      continue;
    }
    const remove = (): void => removeWithin(installation, path);
    const target = readLink(path);
    if (/\.tmp-[0-9]+-[0-9]+$/.test(name))
      findings.add("temporary", "leftover", path, "a write was interrupted", remove);
    else if (target === undefined || !isOurs(target))
      findings.add("export", "foreign", path, "no app exports it", remove);
    else if (!existsSync(path)) findings.add("export", "dangling", path, `leads to ${target}, which is gone`, remove);
    else findings.add("export", "foreign", path, `leads to ${target}, which is not exported there`, remove);
  }
}

function isOurs(target: string): boolean {
  return /^(?:\.\.\/)+app\/[^/]+\/current\/active\/export\//.test(target);
}

function isCache(path: string, name: string): boolean {
  return caches.test(name) || (path.startsWith(`${mimeFolder}/`) && !path.startsWith(`${mimeFolder}/packages/`));
}
