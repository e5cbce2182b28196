// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { compareBytes } from "../../base/text.ts";
import { type FolderNode, findNode, newFolder, type TreeNode } from "./tree.ts";
import type { ImageView } from "./view.ts";

/**
 * Folders of an image, as `/NAME(/NAME)*` from its files, each once and in byte order; the whole image where empty. `/`
 * or an empty text stands for the whole image, too. Throws `USAGE`.
 */
export function parseSubpaths(texts: readonly string[]): readonly string[] {
  const paths = texts.map((text) => `/${text.split("/").filter(Boolean).join("/")}`);
  const wrong = paths.find(
    (path) => path.split("/").some((name) => name === "." || name === "..") || path.includes("\0"),
  );
  if (wrong !== undefined || paths.length > limits.subpaths || paths.some((path) => path.length > limits.pathBytes)) {
    throw new DowelError("USAGE", `${JSON.stringify(wrong ?? texts.join(" "))}: not a folder of an image, such as /de`);
  }
  return paths.includes("/") ? [] : [...new Set(paths)].sort(compareBytes);
}

function keep(from: FolderNode, to: FolderNode, path: string): void {
  const names = path.slice(1).split("/");
  const node = findNode(from, names);
  const last = names.pop();
  if (node === undefined || last === undefined) return;
  let folder = to;
  for (const [at, name] of names.entries()) {
    const known: TreeNode | undefined = folder.children.get(name);
    const source = findNode(from, names.slice(0, at + 1));
    if (source?.kind !== "folder") return;
    const next: FolderNode = known?.kind === "folder" ? known : newFolder(source.mtime, source.layer);
    folder.children.set(name, next);
    folder = next;
  }
  folder.children.set(last, node);
}

/** What an image shows where only some of its folders are wanted; those that it does not have are passed over. */
export function subsetOf(view: ImageView, subpaths: readonly string[]): ImageView {
  const [top] = view.root.children;
  if (subpaths.length === 0 || top?.[1].kind !== "folder") return view;
  const [name, files] = top;
  const kept = newFolder(files.mtime, files.layer);
  // A folder after one above it changes nothing: that one was kept whole.
  for (const path of subpaths) if (!subpaths.some((other) => path.startsWith(`${other}/`))) keep(files, kept, path);
  const root = newFolder(view.root.mtime, view.root.layer);
  root.children.set(name, kept);
  return { ...view, root };
}
