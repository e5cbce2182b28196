// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { type FileContent, type FolderNode, newFolder, type TreeNode } from "./tree.ts";

/** One entry of a layer, its path already split and checked. */
export type LayerEntry =
  | { readonly kind: "folder"; readonly path: readonly string[]; readonly mtime: number }
  | {
      readonly kind: "file";
      readonly path: readonly string[];
      readonly mtime: number;
      readonly executable: boolean;
      readonly content: FileContent;
    }
  | { readonly kind: "symlink"; readonly path: readonly string[]; readonly mtime: number; readonly target: string }
  | { readonly kind: "hardlink"; readonly path: readonly string[]; readonly target: readonly string[] };

const whiteoutPrefix = ".wh.";
const opaqueName = ".wh..wh..opq";

function unsafe(path: readonly string[], reason: string): DowelError {
  return new DowelError("TAR_UNSAFE", `Layer entry ${JSON.stringify(path.join("/"))}: ${reason}`);
}

function hasWhiteoutAbove(path: readonly string[]): boolean {
  for (let at = 0; at < path.length - 1; at++) if (path[at]?.startsWith(whiteoutPrefix) === true) return true;
  return false;
}

/**
 * Puts layers over each other, lowest first, by the rules of the OCI image specification ("layer.md": changesets,
 * whiteouts, opaque whiteouts). A whiteout hides what lower layers brought, never what its own layer brings.
 * Stricter than other tools: nothing is written through a link, and no name comes twice in one layer.
 */
export class LayerStack {
  readonly root: FolderNode;
  #layer: number;
  #entries = 0;
  #bytes = 0;

  /** `root`: what layers before have made, so many of them. */
  constructor(root: FolderNode = newFolder(0, 0), layers = 0) {
    this.root = root;
    this.#layer = layers - 1;
  }

  /** Begins the next layer. */
  beginLayer(): void {
    this.#layer += 1;
  }

  /** Adds one entry of the layer; throws `TAR_UNSAFE` or `LIMIT_EXCEEDED`. */
  add(entry: LayerEntry): void {
    this.#count(entry);
    const name = entry.path.at(-1);
    if (name === undefined) {
      if (entry.kind !== "folder") throw unsafe(["."], "the top must be a folder");
      this.root.mtime = entry.mtime;
      return;
    }
    if (hasWhiteoutAbove(entry.path)) {
      throw unsafe(entry.path, "names that begin with .wh. are kept for whiteouts");
    }
    if (name.startsWith(whiteoutPrefix)) this.#whiteout(entry, name);
    else this.#put(entry, name);
  }

  #count(entry: LayerEntry): void {
    this.#entries += 1;
    if (this.#entries > limits.imageEntries) {
      throw new DowelError("LIMIT_EXCEEDED", `The image has more than ${limits.imageEntries} entries`);
    }
    if (entry.kind !== "file") return;
    this.#bytes += entry.content.size;
    if (this.#bytes > limits.unpackedImageBytes) {
      throw new DowelError("LIMIT_EXCEEDED", `The image unpacks to more than ${limits.unpackedImageBytes} bytes`);
    }
  }

  #whiteout(entry: LayerEntry, name: string): void {
    if (entry.kind !== "file" || entry.content.size > 0) {
      throw unsafe(entry.path, "a whiteout must be an empty regular file");
    }
    const hidden = name.slice(whiteoutPrefix.length);
    if (name !== opaqueName && (hidden === "" || hidden === "." || hidden === ".." || hidden.startsWith(".wh."))) {
      throw unsafe(entry.path, "not a whiteout of the OCI image specification");
    }
    const folder = this.#folderOf(entry.path, false);
    if (folder === undefined) return;
    if (name === opaqueName) this.#hideChildren(folder);
    else this.#hide(folder, hidden);
  }

  #hide(folder: FolderNode, name: string): void {
    const node = folder.children.get(name);
    if (node === undefined) return;
    if (node.kind === "folder") this.#hideChildren(node);
    if (node.layer === this.#layer) return;
    if (node.kind !== "folder" || node.children.size === 0) folder.children.delete(name);
  }

  #hideChildren(folder: FolderNode): void {
    for (const name of [...folder.children.keys()]) this.#hide(folder, name);
  }

  #put(entry: LayerEntry, name: string): void {
    const parent = this.#folderOf(entry.path, true);
    const old = parent.children.get(name);
    if (entry.kind === "folder" && old?.kind === "folder") {
      old.mtime = entry.mtime;
      old.layer = this.#layer;
      return;
    }
    if (old !== undefined && this.#isFresh(old)) throw unsafe(entry.path, "the layer has this name twice");
    parent.children.set(name, this.#newNode(entry));
  }

  /** Whether the current layer brought the node or anything in it. */
  #isFresh(node: TreeNode): boolean {
    if (node.layer === this.#layer) return true;
    return node.kind === "folder" && [...node.children.values()].some((child) => this.#isFresh(child));
  }

  #newNode(entry: LayerEntry): TreeNode {
    const layer = this.#layer;
    switch (entry.kind) {
      case "folder":
        return newFolder(entry.mtime, layer);
      case "file":
        return { kind: "file", content: entry.content, executable: entry.executable, mtime: entry.mtime, layer };
      case "symlink":
        return { kind: "symlink", target: entry.target, mtime: entry.mtime, layer };
      case "hardlink":
        return { ...this.#linked(entry.path, entry.target), layer };
    }
  }

  #linked(path: readonly string[], target: readonly string[]): Exclude<TreeNode, FolderNode> {
    let node: TreeNode | undefined = this.root;
    for (const name of target) node = node?.kind === "folder" ? node.children.get(name) : undefined;
    if (node !== undefined && node.kind !== "folder") return node;
    const reason = node === undefined ? "is not in the image" : "is a folder";
    throw unsafe(path, `a hard link to ${JSON.stringify(target.join("/"))}, which ${reason}`);
  }

  #folderOf(path: readonly string[], create: true): FolderNode;
  #folderOf(path: readonly string[], create: false): FolderNode | undefined;
  #folderOf(path: readonly string[], create: boolean): FolderNode | undefined {
    let folder = this.root;
    for (let depth = 0; depth < path.length - 1; depth++) {
      const name = path[depth] ?? "";
      let next = folder.children.get(name);
      if (next === undefined) {
        if (!create) return undefined;
        next = newFolder(0, this.#layer);
        folder.children.set(name, next);
      }
      if (next.kind !== "folder") {
        const what = next.kind === "symlink" ? "a symbolic link" : "a file";
        throw unsafe(path, `its parent ${JSON.stringify(path.slice(0, depth + 1).join("/"))} is ${what}`);
      }
      folder = next;
    }
    return folder;
  }
}
