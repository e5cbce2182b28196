// SPDX-License-Identifier: Apache-2.0

/** Where the bytes of a file are: a range of a file on this machine that nobody changes, or memory. */
export type Content =
  | { readonly kind: "range"; readonly path: string; readonly offset: number; readonly size: number }
  | { readonly kind: "bytes"; readonly bytes: Uint8Array };

export type TreeEntry =
  | { readonly kind: "directory" }
  | { readonly kind: "file"; readonly executable: boolean; readonly content: Content }
  /** Another name of the file at the path `to`, which is a file of the same tree. */
  | { readonly kind: "hardlink"; readonly to: string }
  | { readonly kind: "symlink"; readonly target: string };

/** The files of an image by their paths, relative and normalised. Owners, times and other modes do not exist here. */
export type Tree = Map<string, TreeEntry>;

export function contentSize(content: Content): number {
  return content.kind === "range" ? content.size : content.bytes.length;
}

export function textContent(text: string): Content {
  return { kind: "bytes", bytes: Buffer.from(text) };
}

/** Adds the folders above a path where they are missing. */
export function addParents(tree: Tree, path: string): void {
  for (let at = path.lastIndexOf("/"); at > 0; at = path.lastIndexOf("/", at - 1)) {
    const parent = path.slice(0, at);
    if (tree.has(parent)) return;
    tree.set(parent, { kind: "directory" });
  }
}

/** The file that a path is a name of; undefined for anything that is not a file. Links are not followed. */
export function fileAt(tree: Tree, path: string): Extract<TreeEntry, { kind: "file" }> | undefined {
  const entry = tree.get(path);
  if (entry?.kind === "hardlink") return fileAt(tree, entry.to);
  return entry?.kind === "file" ? entry : undefined;
}

/** Removes a path with all below it; see `removePaths`. */
export function removePath(tree: Tree, path: string): void {
  const prefix = `${path}/`;
  removePaths(tree, (key) => key === path || key.startsWith(prefix));
}

/** Removes the paths that are chosen. Other names of a removed file stay: the first of them becomes the file. */
export function removePaths(tree: Tree, isGone: (path: string) => boolean): void {
  const files = new Map<string, TreeEntry>();
  for (const [key, entry] of tree) {
    if (!isGone(key)) continue;
    tree.delete(key);
    if (entry.kind === "file") files.set(key, entry);
  }
  if (files.size === 0) return;
  const heirs = new Map<string, string>();
  for (const [key, entry] of tree) {
    const file = entry.kind === "hardlink" ? files.get(entry.to) : undefined;
    if (entry.kind !== "hardlink" || file === undefined) continue;
    const heir = heirs.get(entry.to);
    if (heir === undefined) heirs.set(entry.to, key);
    tree.set(key, heir === undefined ? file : { kind: "hardlink", to: heir });
  }
}
