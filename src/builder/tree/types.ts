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

/** Removes a path with all below it. Other names of a removed file stay: one of them becomes the file. */
export function removePath(tree: Tree, path: string): void {
  const prefix = `${path}/`;
  const gone = [...tree.keys()].filter((key) => key === path || key.startsWith(prefix));
  const removed = new Map(gone.map((key) => [key, tree.get(key)] as const));
  for (const key of gone) tree.delete(key);
  const files = new Set(gone.filter((key) => removed.get(key)?.kind === "file"));
  if (files.size === 0) return;
  const heirs = new Map<string, string>();
  for (const [key, entry] of tree) {
    if (entry.kind !== "hardlink" || !files.has(entry.to)) continue;
    const heir = heirs.get(entry.to);
    const file = removed.get(entry.to);
    if (heir === undefined && file !== undefined) {
      heirs.set(entry.to, key);
      tree.set(key, file);
    } else if (heir !== undefined) {
      tree.set(key, { kind: "hardlink", to: heir });
    }
  }
}
