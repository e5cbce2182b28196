// SPDX-License-Identifier: Apache-2.0
import { byteStringOf } from "../../formats/composefs/bytestring.ts";
import type { Directory, Inode, Leaf } from "../../formats/composefs/model.ts";
import { writeComposefs } from "../../formats/composefs/write.ts";
import { objectName } from "../objects/paths.ts";
import type { FileNode, FolderNode, SymlinkNode } from "./tree.ts";

const noXattrs: ReadonlyMap<string, string> = new Map();
const nothing = new Uint8Array(0);

/** What was made of nodes that are no folders, so that it need not be made again for another tree with the same nodes. */
export type Leaves = Map<FileNode | SymlinkNode, Leaf>;

/** The composefs image (version 1) of a canonical tree; files of the store are named by their digests. */
export function composefsOf(root: FolderNode, leaves?: Leaves): Uint8Array {
  return writeComposefs(directory(root, leaves), { version: 1 });
}

function directory({ children, mtime }: FolderNode, leaves: Leaves | undefined): Directory {
  const entries = new Map<string, Inode>();
  for (const [name, node] of children) {
    entries.set(byteStringOf(name), node.kind === "folder" ? directory(node, leaves) : knownLeaf(node, leaves));
  }
  return { kind: "directory", mode: 0o755, uid: 0, gid: 0, mtimeSec: mtime, mtimeNsec: 0, xattrs: noXattrs, entries };
}

function knownLeaf(node: FileNode | SymlinkNode, leaves: Leaves | undefined): Leaf {
  const known = leaves?.get(node);
  if (known !== undefined) return known;
  const made = leaf(node);
  leaves?.set(node, made);
  return made;
}

function leaf(node: FileNode | SymlinkNode): Leaf {
  const [mtimeSec, mtimeNsec, uid, gid, nlink, xattrs] = [node.mtime, 0, 0, 0, 1, noXattrs] as const;
  if (node.kind === "symlink") {
    const target = byteStringOf(node.target);
    return { kind: "symlink", mode: 0o777, uid, gid, mtimeSec, mtimeNsec, xattrs, nlink, target };
  }
  const mode = node.executable ? 0o755 : 0o644;
  const { size, digest, inline } = node.content;
  if (size === 0 || inline !== undefined) {
    const content = size === 0 ? nothing : (inline ?? nothing);
    return { kind: "inline", mode, uid, gid, mtimeSec, mtimeNsec, xattrs, nlink, content };
  }
  const [hash, payload] = [Buffer.from(digest, "hex"), objectName(digest)];
  return { kind: "external", mode, uid, gid, mtimeSec, mtimeNsec, xattrs, nlink, size, digest: hash, payload };
}
