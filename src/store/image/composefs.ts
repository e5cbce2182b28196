// SPDX-License-Identifier: Apache-2.0
import { byteStringOf } from "../../formats/composefs/bytestring.ts";
import { PlainTree } from "../../formats/composefs/plain.ts";
import type { PlainNode } from "../../formats/composefs/plain-table.ts";
import type { LayerEntry } from "./layers.ts";
import type { FolderNode, TreeNode } from "./tree.ts";

const nothing = new Uint8Array(0);

/** The composefs image (version 1) of a canonical tree; files of the store are named by their digests. */
export function composefsOf(root: FolderNode): Uint8Array {
  const tree = new PlainTree(root.mtime);
  const folders = [root];
  // the array grows while it is walked
  for (const { children } of folders) {
    tree.open();
    for (const name of sortedNames(children)) {
      const node = children.get(name);
      if (node === undefined) continue;
      tree.add(byteStringOf(name), plainNodeOf(node));
      if (node.kind === "folder") folders.push(node);
    }
  }
  return tree.write();
}

/** What composefs says of a node of a tree, or of an entry of a layer; files of the store are named by their digests. */
export function plainNodeOf(node: TreeNode | Exclude<LayerEntry, { readonly kind: "hardlink" }>): PlainNode {
  const { mtime } = node;
  if (node.kind === "folder") return { kind: "folder", mtime };
  if (node.kind === "symlink") return { kind: "symlink", mtime, target: byteStringOf(node.target) };
  const { executable } = node;
  const { size, digest, inline } = node.content;
  if (size > 0 && inline === undefined) return { kind: "file", mtime, executable, size, digest };
  return { kind: "inline", mtime, executable, content: size === 0 ? nothing : (inline ?? nothing) };
}

/** Names in the order of their bytes, in which most layers have them already. */
function sortedNames(children: ReadonlyMap<string, unknown>): readonly string[] {
  const names = [...children.keys()];
  // beyond ASCII the order of a text is not always that of its bytes
  if (/^[\0-\x7f]*$/.test(names.join(""))) return isSorted(names) ? names : names.sort();
  const bytes = new Map(names.map((name) => [byteStringOf(name), name]));
  return [...bytes.keys()].sort().map((key) => bytes.get(key) ?? "");
}

function isSorted(names: readonly string[]): boolean {
  for (let at = 1; at < names.length; at++) if ((names[at - 1] ?? "") > (names[at] ?? "")) return false;
  return true;
}
