// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { type ByteString, byteStringOfBytes } from "./bytestring.ts";
import {
  escapedOverlayPrefix,
  metacopyHeader,
  modeOf,
  overlayPrefix,
  xattrMetacopy,
  xattrOpaque,
  xattrRedirect,
  xattrSelinux,
  xattrsOfOpaqueParent,
  xattrsOfWhiteout,
  xattrsOfWhiteoutParent,
} from "./constants.ts";
import { type Device, type Directory, type ExternalFile, type Inode, isWhiteout } from "./model.ts";
import { Node, type NodeEntry, type XattrPair } from "./node.ts";
import { checkInode, checkName } from "./validate.ts";
import { splitXattrName } from "./xattr-names.ts";

function byName(left: NodeEntry, right: NodeEntry): number {
  return left.name < right.name ? -1 : 1;
}

/** Names of the folders of an object store: 00 to ff. */
const stubNames = Array.from({ length: 256 }, (_, index) => index.toString(16).padStart(2, "0"));

/**
 * Rewrites a tree into what overlayfs is to see: objects become metacopy and redirect xattrs, whiteouts become
 * marked files, overlay's own xattrs are escaped, and the root hides the folders of the object store.
 */
export class Preparation {
  readonly #nodes = new Map<Inode, Node>();
  readonly #pairs = new Map<ByteString, Map<ByteString, XattrPair>>();
  /** Whether there was a whiteout, which an image of version 0 cannot hold. */
  hasWhiteouts = false;

  /** Every distinct xattr of the tree. */
  *pairs(): Iterable<XattrPair> {
    for (const values of this.#pairs.values()) yield* values.values();
  }

  root(source: Directory): Node {
    const root = this.#directory(source, undefined, "", 0);
    const taken = new Set(source.entries.keys());
    const stub = this.#stub(source);
    const stubs = stubNames.filter((name) => !taken.has(name)).map((name) => ({ name, node: stub(), alias: false }));
    root.entries = [...root.entries, ...stubs].sort(byName);
    return root;
  }

  #stub(root: Directory): () => Node {
    const label = root.xattrs.get(xattrSelinux);
    const xattrs = new Map(label === undefined ? [] : [[xattrSelinux, label]]);
    const source: Device = { ...root, kind: "character", mode: 0o644, rdev: 0, nlink: 1, xattrs };
    return () => {
      const node = new Node(source, modeOf.character | source.mode);
      node.xattrs = this.#sortedPairs(xattrs);
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
    const entries: NodeEntry[] = [
      { name: ".", node, alias: true },
      { name: "..", node: parent ?? node, alias: true },
    ];
    let whiteouts = false;
    // Sorted now, since the first name in this order is the one that the others are hard links to.
    for (const name of [...source.entries.keys()].sort()) {
      const child = source.entries.get(name);
      if (child === undefined) continue;
      checkName(name, path);
      const childPath = `${path}/${name}`;
      const directory = child.kind === "directory";
      if (directory) node.childFolders++;
      whiteouts ||= isWhiteout(child);
      const alias = !directory && this.#nodes.has(child);
      const childNode = directory ? this.#directory(child, node, childPath, depth + 1) : this.#leaf(child, childPath);
      entries.push({ name, node: childNode, alias });
    }
    this.hasWhiteouts ||= whiteouts;
    node.entries = entries.sort(byName);
    node.xattrs = this.#sortedPairs(this.#directoryXattrs(source, parent === undefined, whiteouts));
    return node;
  }

  #directoryXattrs(source: Directory, isRoot: boolean, whiteouts: boolean): ReadonlyMap<ByteString, ByteString> {
    const xattrs = escaped(source.xattrs);
    if (!isRoot && !whiteouts) return xattrs;
    const result = new Map(xattrs);
    if (whiteouts) {
      for (const key of xattrsOfWhiteoutParent) result.set(key, "");
      for (const key of xattrsOfOpaqueParent) result.set(key, "x");
    }
    if (isRoot) result.set(xattrOpaque, "y");
    return result;
  }

  #leaf(source: Exclude<Inode, Directory>, path: ByteString): Node {
    const known = this.#nodes.get(source);
    if (known !== undefined) return known;
    checkInode(source, path);
    const whiteout = isWhiteout(source);
    const node = new Node(source, (whiteout ? modeOf.inline : modeOf[source.kind]) | source.mode);
    this.#nodes.set(source, node);
    let xattrs = escaped(source.xattrs);
    if (whiteout) {
      const marked = new Map(xattrs);
      for (const key of xattrsOfWhiteout) marked.set(key, "");
      xattrs = marked;
    } else if (source.kind === "external") {
      xattrs = withObject(xattrs, source);
    }
    node.xattrs = this.#sortedPairs(xattrs);
    return node;
  }

  #sortedPairs(xattrs: ReadonlyMap<ByteString, ByteString>): readonly XattrPair[] {
    if (xattrs.size === 0) return [];
    const keys = [...xattrs.keys()];
    if (keys.length > 1) keys.sort();
    return keys.map((key) => this.#pair(key, xattrs.get(key) ?? ""));
  }

  #pair(key: ByteString, value: ByteString): XattrPair {
    let values = this.#pairs.get(key);
    if (values === undefined) {
      values = new Map();
      this.#pairs.set(key, values);
    }
    let pair = values.get(value);
    if (pair === undefined) {
      const name = this.#name(key, values);
      const bytes = Math.ceil((4 + name.suffix.length + value.length) / 4) * 4;
      const { index, suffix, filterBit } = name;
      pair = { key, value, index, suffix, filterBit, bytes, uses: 0, sharedOffset: -1 };
      values.set(value, pair);
    }
    pair.uses++;
    return pair;
  }

  /** The parts of a name: those of any pair of the same name, so that each name is hashed once. */
  #name(key: ByteString, values: ReadonlyMap<ByteString, XattrPair>) {
    for (const pair of values.values()) return pair;
    return splitXattrName(key);
  }
}

function escaped(xattrs: ReadonlyMap<ByteString, ByteString>): ReadonlyMap<ByteString, ByteString> {
  if (xattrs.size === 0) return xattrs;
  const result = new Map<ByteString, ByteString>();
  for (const [key, value] of xattrs) {
    const hidden = key.startsWith(overlayPrefix);
    result.set(hidden ? escapedOverlayPrefix + key.slice(overlayPrefix.length) : key, value);
  }
  return result;
}

function withObject(xattrs: ReadonlyMap<ByteString, ByteString>, file: ExternalFile): Map<ByteString, ByteString> {
  const result = new Map(xattrs);
  result.set(xattrMetacopy, file.digest === undefined ? "" : metacopyHeader + byteStringOfBytes(file.digest));
  if (file.payload !== undefined) result.set(xattrRedirect, `/${file.payload}`);
  return result;
}
