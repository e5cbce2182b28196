// SPDX-License-Identifier: Apache-2.0
import { byteStringOf } from "../../formats/composefs/bytestring.ts";
import { type Directory, type Inode, objectPath } from "../../formats/composefs/model.ts";
import { writeComposefs } from "../../formats/composefs/write.ts";
import type { FileNode, FolderNode, TreeNode } from "./tree.ts";

const noXattrs: ReadonlyMap<string, string> = new Map();

/** The composefs image (version 1) of a canonical tree; files of the store are named by their digests. */
export function composefsOf(root: FolderNode): Uint8Array {
  return writeComposefs(directory(root), { version: 1 });
}

function owned(mode: number, mtime: number) {
  return { mode, uid: 0, gid: 0, mtimeSec: mtime, mtimeNsec: 0, xattrs: noXattrs };
}

function directory(folder: FolderNode): Directory {
  const entries = new Map<string, Inode>();
  for (const [name, node] of folder.children) entries.set(byteStringOf(name), inode(node));
  return { kind: "directory", ...owned(0o755, folder.mtime), entries };
}

function inode(node: TreeNode): Inode {
  switch (node.kind) {
    case "folder":
      return directory(node);
    case "symlink":
      return { kind: "symlink", ...owned(0o777, node.mtime), nlink: 1, target: byteStringOf(node.target) };
    case "file":
      return file(node);
  }
}

function file(node: FileNode): Inode {
  const metadata = { ...owned(node.executable ? 0o755 : 0o644, node.mtime), nlink: 1 };
  const { size, digest, inline } = node.content;
  if (size === 0) return { kind: "inline", ...metadata, content: new Uint8Array(0) };
  if (inline !== undefined) return { kind: "inline", ...metadata, content: inline };
  const hash = Buffer.from(digest, "hex");
  return { kind: "external", ...metadata, size, digest: hash, payload: objectPath(hash) };
}
