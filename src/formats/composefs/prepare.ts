// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import type { ByteString } from "./bytestring.ts";
import {
  modeOf,
  stubNames,
  xattrOpaque,
  xattrSelinux,
  xattrsOfOpaqueParent,
  xattrsOfWhiteout,
  xattrsOfWhiteoutParent,
} from "./constants.ts";
import { type Device, type Directory, type Inode, isWhiteout, type Leaf } from "./model.ts";
import { Node, type NodeEntry } from "./node.ts";
import { checkInode, checkName } from "./validate.ts";
import { escapeOverlayNames, XattrPool } from "./xattr-pool.ts";

/**
 * Rewrites a tree into what overlayfs is to see: objects become metacopy and redirect xattrs, whiteouts become
 * marked files, overlay's own xattrs are escaped, and the root hides the folders of the object store.
 */
export class Preparation {
  readonly #nodes = new Map<Inode, Node>();
  readonly xattrs = new XattrPool();
  /** Whether there was a whiteout. */
  hasWhiteouts = false;
  readonly #markOpaque: boolean;

  /** `markOpaque` says whether folders with whiteouts get the marks that version 1 has and version 0 has not. */
  constructor(markOpaque: boolean) {
    this.#markOpaque = markOpaque;
  }

  root(source: Directory): Node {
    const root = this.#directory(source, undefined, "", 0);
    const stub = this.#stub(source);
    const stubs = stubNames
      .filter((name) => !source.entries.has(name))
      .map((name) => ({ name, node: stub(), alias: false }));
    root.entries = [...root.entries, ...stubs].sort(byName);
    return root;
  }

  #stub(root: Directory): () => Node {
    const label = root.xattrs.get(xattrSelinux);
    const xattrs = new Map(label === undefined ? [] : [[xattrSelinux, label]]);
    const source: Device = { ...root, kind: "character", mode: 0o644, rdev: 0, nlink: 1, xattrs };
    return () => {
      const node = new Node(source, modeOf.character | source.mode);
      node.xattrs = this.xattrs.add(xattrs);
      return node;
    };
  }

  #directory(source: Directory, parent: Node | undefined, path: ByteString, depth: number): Node {
    if (depth > limits.pathDepth) {
      throw new DowelError("LIMIT_EXCEEDED", `composefs: folders may be at most ${limits.pathDepth} deep`);
    }
    if (this.#nodes.has(source)) {
      throw new DowelError("COMPOSEFS_INVALID", `composefs: ${JSON.stringify(path)}: a folder must have one name`);
    }
    checkInode(source, path === "" ? "/" : path);
    const node = new Node(source, modeOf.directory | source.mode);
    this.#nodes.set(source, node);
    node.entries = this.#entries(source, node, parent ?? node, path, depth);
    let whiteouts = false;
    for (const child of source.entries.values()) whiteouts ||= isWhiteout(child);
    this.hasWhiteouts ||= whiteouts;
    node.xattrs = this.xattrs.add(this.#directoryXattrs(source, parent === undefined, whiteouts));
    return node;
  }

  #entries(source: Directory, node: Node, parent: Node, path: ByteString, depth: number): readonly NodeEntry[] {
    const entries: NodeEntry[] = [];
    for (const name of source.entries.keys()) checkName(name, path);
    // In byte order already here, since the first name in this order is the one that the others are hard links to.
    for (const name of [".", "..", ...source.entries.keys()].sort()) {
      const child = source.entries.get(name);
      if (child === undefined) {
        entries.push({ name, node: name === "." ? node : parent, alias: true });
      } else if (child.kind === "directory") {
        node.childFolders++;
        entries.push({ name, node: this.#directory(child, node, `${path}/${name}`, depth + 1), alias: false });
      } else {
        const known = this.#nodes.get(child);
        entries.push({ name, node: known ?? this.#leaf(child, `${path}/${name}`), alias: known !== undefined });
      }
    }
    return entries;
  }

  #leaf(source: Leaf, path: ByteString): Node {
    checkInode(source, path);
    const whiteout = isWhiteout(source);
    const node = new Node(source, (whiteout ? modeOf.inline : modeOf[source.kind]) | source.mode);
    this.#nodes.set(source, node);
    if (source.kind === "external") {
      node.xattrs = this.xattrs.addObject(source);
    } else {
      const escaped = escapeOverlayNames(source.xattrs);
      const marks = whiteout ? xattrsOfWhiteout.map((key) => [key, ""] as const) : [];
      node.xattrs = this.xattrs.add(whiteout ? new Map([...escaped, ...marks]) : escaped);
    }
    return node;
  }

  #directoryXattrs(source: Directory, isRoot: boolean, whiteouts: boolean): ReadonlyMap<ByteString, ByteString> {
    const escaped = escapeOverlayNames(source.xattrs);
    if (!isRoot && !whiteouts) return escaped;
    const result = new Map(escaped);
    if (whiteouts) {
      for (const key of xattrsOfWhiteoutParent) result.set(key, "");
      for (const key of this.#markOpaque ? xattrsOfOpaqueParent : []) result.set(key, "x");
    }
    if (isRoot) result.set(xattrOpaque, "y");
    return result;
  }
}

function byName(left: NodeEntry, right: NodeEntry): number {
  return left.name < right.name ? -1 : 1;
}
