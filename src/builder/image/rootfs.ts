// SPDX-License-Identifier: Apache-2.0
import type { Metadata } from "../../metadata/metadata.ts";
import type { Ref } from "../../metadata/ref.ts";
import type { Tree, TreeEntry } from "../tree/types.ts";

/** Folders that every container is started with something in, or writes to. */
const emptyFolders = ["app", "dev", "home", "proc", "root", "run", "sys", "tmp", "var", "var/tmp"];

function moved(tree: Tree, place: (path: string) => string | undefined): Tree {
  const result: Tree = new Map();
  for (const [path, entry] of tree) {
    const to = place(path);
    if (to === undefined) continue;
    result.set(to, entry.kind === "hardlink" ? { ...entry, to: place(entry.to) ?? "" } : entry);
  }
  return result;
}

function below(path: string, folder: string): string | undefined {
  return path === folder || path.startsWith(`${folder}/`) ? path.slice(folder.length) : undefined;
}

/** The files of an app below `app`, those of anything else below `usr`. */
function plainRoot(tree: Tree, top: "app" | "usr"): Tree {
  return moved(tree, (path) => {
    const rest = below(path, "files");
    return rest === undefined ? undefined : top + rest;
  });
}

/**
 * A runtime as a whole root: `/usr` with `/etc` beside it, links to the folders that are merged into `/usr`, and the empty
 * folders that containers need. What an installation shows of it is the same as of `usr` alone.
 */
export function wholeRoot(tree: Tree): Tree {
  const root = moved(tree, (path) => {
    const etc = below(path, "files/etc");
    if (etc !== undefined) return `etc${etc}`;
    const rest = below(path, "files");
    return rest === undefined ? undefined : `usr${rest}`;
  });
  if (!root.has("etc")) root.set("etc", { kind: "directory" });
  for (const path of emptyFolders) root.set(path, { kind: "directory" });
  for (const path of [...root.keys()]) {
    const [, name = ""] = /^usr\/(s?bin|lib(?:32|64|x32)?)$/.exec(path) ?? [];
    if (name !== "") root.set(name, { kind: "symlink", target: `usr/${name}` } satisfies TreeEntry);
  }
  return root;
}

/** The files of an image (`files/…`) in the layout `rootfs`. */
export function toRootfs(tree: Tree, ref: Pick<Ref, "kind">, metadata: Pick<Metadata, "extensionOf">): Tree {
  if (ref.kind === "app") return plainRoot(tree, "app");
  return metadata.extensionOf === undefined ? wholeRoot(tree) : plainRoot(tree, "usr");
}
