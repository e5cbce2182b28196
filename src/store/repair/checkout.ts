// SPDX-License-Identifier: Apache-2.0
import { linkSync, lstatSync, mkdirSync, readdirSync, readlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import type { FileNode, FolderNode, TreeNode } from "../image/tree.ts";
import type { Installation } from "../installation.ts";
import { objectPath } from "../objects/paths.ts";
import { digestOfFile } from "./objects.ts";
import { removeWithin } from "./removal.ts";

/** What first differs between a checkout and the tree that it shows; undefined where nothing does. */
export function checkCheckout(installation: Installation, tree: FolderNode, path: string): string | undefined {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat?.isDirectory() !== true) return `${path} is not a folder`;
  if ((stat.mode & 0o7777) !== 0o755) return `${path} has the mode 0${(stat.mode & 0o7777).toString(8)}`;
  const there = new Set(readdirSync(path));
  for (const [name, node] of tree.children) {
    if (!there.delete(name)) return `${join(path, name)} is missing`;
    const problem = checkNode(installation, node, join(path, name));
    if (problem !== undefined) return problem;
  }
  const [extra] = there;
  return extra === undefined ? undefined : `${join(path, extra)} does not belong to the image`;
}

function checkNode(installation: Installation, node: TreeNode, path: string): string | undefined {
  if (node.kind === "folder") return checkCheckout(installation, node, path);
  const stat = lstatSync(path);
  if (node.kind === "symlink") {
    const isRight = stat.isSymbolicLink() && readlinkSync(path) === node.target;
    return isRight ? undefined : `${path} is not the link that it should be`;
  }
  if (!stat.isFile() || stat.size !== node.content.size) return `${path} is not the file that it should be`;
  const mode = node.executable ? 0o555 : 0o444;
  if ((stat.mode & 0o7777) !== mode) return `${path} has the mode 0${(stat.mode & 0o7777).toString(8)}`;
  // The contents of objects were compared already, and a name of one has the same.
  if (isNameOfObject(installation, node, stat.ino)) return undefined;
  return digestOfFile(path) === node.content.digest ? undefined : `${path} has other content than it should have`;
}

function isNameOfObject(installation: Installation, { content, executable }: FileNode, inode: number): boolean {
  if (content.inline !== undefined || content.size === 0) return false;
  const path = objectPath(installation, content.digest);
  return [path, `${path}.${executable ? "x" : "r"}`].some(
    (name) => lstatSync(name, { throwIfNoEntry: false })?.ino === inode,
  );
}

/**
 * Gives objects that have lost their names new ones, from the names that a checkout still has. Answers which of the
 * wanted digests are there now.
 */
export function salvage(
  installation: Installation,
  tree: FolderNode,
  path: string,
  wanted: ReadonlySet<string>,
): string[] {
  const found: string[] = [];
  for (const [name, node] of tree.children) {
    const place = join(path, name);
    if (node.kind === "folder") found.push(...salvage(installation, node, place, wanted));
    if (node.kind !== "file" || !wanted.has(node.content.digest)) continue;
    if (digestOfFile(place) !== node.content.digest) continue;
    const object = objectPath(installation, node.content.digest);
    mkdirSync(dirname(object), { recursive: true });
    removeWithin(installation, object);
    linkSync(place, object);
    found.push(node.content.digest);
  }
  return found;
}
