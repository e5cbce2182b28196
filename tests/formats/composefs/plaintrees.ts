// SPDX-License-Identifier: Apache-2.0
import { type Directory, type Inode, objectPath } from "../../../src/formats/composefs/model.ts";
import { PlainTree } from "../../../src/formats/composefs/plain.ts";
import type { PlainNode } from "../../../src/formats/composefs/plain-table.ts";

export const blank = { uid: 0, gid: 0, mtimeNsec: 0, xattrs: new Map() };

/** The same tree as images of the store have it: each inode with one name, and only what such images hold. */
export function plain(tree: Directory): Directory {
  const entries = new Map<string, Inode>();
  for (const [name, inode] of tree.entries) {
    const common = { ...blank, mtimeSec: inode.mtimeSec };
    if (inode.kind === "directory") entries.set(name, plain(inode));
    else if (inode.kind === "symlink") entries.set(name, { ...inode, ...common, mode: 0o777, nlink: 1 });
    else if (inode.kind === "inline") {
      const content = inode.content.subarray(0, 64);
      entries.set(name, { ...inode, ...common, mode: inode.mode === 0 ? 0o755 : 0o644, nlink: 1, content });
    } else if (inode.kind === "external" && inode.digest !== undefined) {
      const mode = inode.mode === 0 ? 0o755 : 0o644;
      entries.set(name, { ...inode, ...common, mode, nlink: 1, payload: objectPath(inode.digest) });
    }
  }
  return { ...blank, kind: "directory", mode: 0o755, mtimeSec: tree.mtimeSec, entries };
}

/** The node of a plain tree. */
export function nodeOf(inode: Inode): PlainNode {
  const { mtimeSec: mtime } = inode;
  const executable = inode.mode === 0o755;
  if (inode.kind === "directory") return { kind: "folder", mtime };
  if (inode.kind === "symlink") return { kind: "symlink", mtime, target: inode.target };
  if (inode.kind === "inline") return { kind: "inline", mtime, executable, content: inode.content };
  if (inode.kind !== "external") throw new Error(`${inode.kind} is in no plain tree`);
  return { kind: "file", mtime, executable, size: inode.size, digest: Buffer.from(inode.digest ?? []).toString("hex") };
}

export function byPlainTree(root: Directory): Uint8Array {
  const tree = new PlainTree(root.mtimeSec);
  const folders = [root];
  for (const folder of folders) {
    tree.open();
    for (const name of [...folder.entries.keys()].sort()) {
      const inode = folder.entries.get(name);
      if (inode === undefined) continue;
      tree.add(name, nodeOf(inode));
      if (inode.kind === "directory") folders.push(inode);
    }
  }
  return tree.write();
}
