// SPDX-License-Identifier: Apache-2.0
import { posix } from "node:path";
import { cleanupMatches, removeMatches } from "../stages/cleanup.ts";
import { addParents, removePaths, type Tree, textContent } from "../tree/types.ts";
import type { Recipe } from "./decode.ts";

/** What the sandbox brings itself, what belongs to a running system, and what only package tools need. */
const dropped = [
  ...["passwd", "passwd-", "group", "group-", "shadow", "shadow-", "gshadow", "gshadow-", ".pwd.lock"],
  ...["subuid", "subgid", "machine-id", "resolv.conf", "hosts", "hostname", "localtime", "timezone", "mtab"],
  ...["fstab", "apt", "dpkg", "init.d", "systemd", "logrotate.d", "ca-certificates.conf.dpkg-old"],
  ...["cron.daily", "cron.d", "cron.weekly", "rc0.d", "rc1.d", "rc2.d", "rc3.d", "rc4.d", "rc5.d", "rc6.d", "rcS.d"],
].map((name) => `etc/${name}`);

const droppedFromUsr = ["lib/apt", "lib/dpkg/methods", "share/lintian", "share/bug", "local", "src", "games"];
const documentation = ["share/doc", "share/man", "share/info", "share/doc-base"];

/**
 * Makes the files of a runtime from the `/usr` and `/etc` of an installed system: `usr/X` becomes `files/X` and `etc/X`
 * becomes `files/etc/X`. Paths of the result begin with `files/`.
 */
export function toRuntimeTree(root: Tree, recipe: Recipe, cleanup: readonly string[], packages: string): Tree {
  const system: Tree = new Map(root);
  const unwanted = [...dropped, ...droppedFromUsr.map((path) => `usr/${path}`)];
  removePaths(system, (path) => {
    if (unwanted.some((name) => path === name || path.startsWith(`${name}/`))) return true;
    return path.includes("/__pycache__") || (!recipe.docs && isDocumentation(path));
  });
  resolveAlternatives(system);
  freeConfigurationLinks(system);
  const files: Tree = new Map();
  for (const [path, entry] of system) {
    const place = placeOf(path);
    if (place === undefined) continue;
    files.set(place, entry.kind === "hardlink" ? { ...entry, to: placeOf(entry.to) ?? "" } : entry);
  }
  addLdconfig(files);
  removeMatches(files, cleanupMatches([...files.keys()], cleanup));
  for (const pairs of recipe.extensions.values()) {
    const directory = pairs.find(([key]) => key === "directory")?.[1] ?? "";
    addParents(files, directory);
    files.set(directory, { kind: "directory" });
  }
  files.set("manifest.dpkg", { kind: "file", executable: false, content: textContent(packages) });
  const result: Tree = new Map([["files", { kind: "directory" }]]);
  for (const [path, entry] of files) {
    result.set(`files/${path}`, entry.kind === "hardlink" ? { ...entry, to: `files/${entry.to}` } : entry);
  }
  return result;
}

function placeOf(path: string): string | undefined {
  if (path.startsWith("usr/")) return path.slice("usr/".length);
  return path === "etc" || path.startsWith("etc/") ? path : undefined;
}

/** Licences are none: they must go with what they are for. */
function isDocumentation(path: string): boolean {
  const folder = documentation.find((name) => path.startsWith(`usr/${name}/`));
  return folder !== undefined && !/^usr\/share\/doc\/[^/]+(\/copyright)?$/.test(path);
}

/** Points links that lead through `/etc/alternatives` to the program itself, because that folder is not at its place everywhere. */
function resolveAlternatives(tree: Tree): void {
  const prefix = "/etc/alternatives/";
  for (const [path, entry] of tree) {
    if (entry.kind !== "symlink" || !entry.target.startsWith(prefix)) continue;
    const target = tree.get(entry.target.slice(1));
    if (target?.kind !== "symlink" || !path.startsWith("usr/") || !target.target.startsWith("/usr/")) continue;
    tree.set(path, { kind: "symlink", target: posix.relative(posix.dirname(`/${path}`), target.target) });
  }
}

/** `/etc` is shown as links to `/usr/etc`, so a relative link that leaves it would start one folder too deep. */
function freeConfigurationLinks(tree: Tree): void {
  for (const [path, entry] of tree) {
    if (entry.kind !== "symlink" || !path.startsWith("etc/") || entry.target.startsWith("/")) continue;
    const target = posix.join("/", posix.dirname(path), entry.target);
    if (!target.startsWith("/etc/")) tree.set(path, { kind: "symlink", target });
  }
}

/** The sandbox makes its cache of libraries with `bin/ldconfig`; Debian has the program in `sbin`. */
function addLdconfig(files: Tree): void {
  if (files.has("sbin/ldconfig") && !files.has("bin/ldconfig")) {
    files.set("bin/ldconfig", { kind: "symlink", target: "../sbin/ldconfig" });
  }
}
