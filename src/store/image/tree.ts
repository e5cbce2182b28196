// SPDX-License-Identifier: Apache-2.0

/**
 * The canonical tree of an image: everything is owned by root, folders are 0755, files 0644 or 0755, links 0777,
 * there are no xattrs and no devices, and times are whole seconds. `layer` is the index of the layer that brought
 * the node last. Two names of one file are two nodes with the same content.
 */
export type TreeNode = FolderNode | FileNode | SymlinkNode;

export interface FolderNode {
  readonly kind: "folder";
  readonly children: Map<string, TreeNode>;
  mtime: number;
  layer: number;
}

export interface FileNode {
  readonly kind: "file";
  readonly content: FileContent;
  readonly executable: boolean;
  readonly mtime: number;
  readonly layer: number;
}

export interface SymlinkNode {
  readonly kind: "symlink";
  readonly target: string;
  readonly mtime: number;
  readonly layer: number;
}

/** What a file holds: its size, the fs-verity digest (hex) that names its object, and small content itself. */
export interface FileContent {
  readonly size: number;
  readonly digest: string;
  /** Set where `size` is at most `inlineThreshold`; such content has no object of its own. */
  readonly inline: Uint8Array | undefined;
}

export function newFolder(mtime: number, layer: number): FolderNode {
  return { kind: "folder", children: new Map(), mtime, layer };
}

/** The node at a path of names, following no links. */
export function findNode(root: FolderNode, names: readonly string[]): TreeNode | undefined {
  let node: TreeNode | undefined = root;
  for (const name of names) {
    if (node?.kind !== "folder") return undefined;
    node = node.children.get(name);
  }
  return node;
}

/** All files of a tree, each name once. */
export function* filesOf(folder: FolderNode): Generator<FileNode> {
  // not by recursion, where each file would pass through a generator for each folder above it
  const open = [folder.children.values()];
  for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
    const { done, value: node } = top.next();
    if (done === true) open.pop();
    else if (node.kind === "file") yield node;
    else if (node.kind === "folder") open.push(node.children.values());
  }
}
