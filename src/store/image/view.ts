// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import type { RefKind } from "../../metadata/ref.ts";
import { type FileNode, type FolderNode, findNode, newFolder } from "./tree.ts";

/** The parts of an image that an installation shows. */
export interface ImageView {
  readonly layout: "flatpak" | "rootfs";
  /** What is mounted: a folder with just `app` (of an app) or `usr` (of a runtime). */
  readonly root: FolderNode;
  /** What it may export to the desktop: below it are `share/applications` and so on. Only apps export. */
  readonly exported: FolderNode | undefined;
  /** The file `metadata` at the top, where the layout has one. */
  readonly metadata: FileNode | undefined;
}

/**
 * Recognises the layout of an image and takes out what is shown.
 *
 * `flatpak`: `metadata`, `files/` and `export/` at the top. `rootfs`: an app under `/app`; a runtime under `/usr`, with
 * `/etc` as `usr/etc` where that is missing, and with real `/bin`, `/sbin`, `/lib*` folders merged into `/usr`; the rest
 * is dropped. Throws `IMAGE_UNSUITABLE`.
 */
export function viewOf(image: FolderNode, kind: RefKind, name: string): ImageView {
  const metadata = image.children.get("metadata");
  const files = image.children.get("files");
  if (metadata?.kind === "file" && files?.kind === "folder") {
    const exported = kind === "app" ? folderAt(image, "export") : undefined;
    return { layout: "flatpak", root: shown(kind, files), exported, metadata };
  }
  const main = folderAt(image, kind === "app" ? "app" : "usr");
  if (main === undefined) {
    const wanted = kind === "app" ? "/app" : "/usr";
    throw new DowelError("IMAGE_UNSUITABLE", `${name}: nothing to install in it`, {
      hint: `An image of ${kind === "app" ? "an app" : "a runtime"} has "metadata" and "files/" at the top, or a folder ${wanted}.`,
    });
  }
  if (kind === "runtime")
    return { layout: "rootfs", root: shown(kind, mergedUsr(image, main)), exported: undefined, metadata: undefined };
  const exported = newFolder(0, 0);
  const share = folderAt(main, "share");
  if (share !== undefined) exported.children.set("share", share);
  return { layout: "rootfs", root: shown(kind, main), exported, metadata: undefined };
}

function shown(kind: RefKind, files: FolderNode): FolderNode {
  const root = newFolder(0, 0);
  root.children.set(kind === "app" ? "app" : "usr", files);
  return root;
}

function folderAt(folder: FolderNode, ...names: string[]): FolderNode | undefined {
  const node = findNode(folder, names);
  return node?.kind === "folder" ? node : undefined;
}

function mergedUsr(image: FolderNode, usr: FolderNode): FolderNode {
  const result: FolderNode = { ...usr, children: new Map(usr.children) };
  const etc = folderAt(image, "etc");
  if (etc !== undefined && !result.children.has("etc")) result.children.set("etc", etc);
  for (const [name, node] of image.children) {
    if (node.kind !== "folder" || !/^(s?bin|lib(32|64|x32)?)$/.test(name)) continue;
    const there = result.children.get(name);
    if (there === undefined) result.children.set(name, node);
    else if (there.kind === "folder") result.children.set(name, merged(there, node));
  }
  return result;
}

/** Both folders in one; where both have a name, `first` wins. */
function merged(first: FolderNode, second: FolderNode): FolderNode {
  const children = new Map(first.children);
  for (const [name, node] of second.children) {
    const there = children.get(name);
    if (there === undefined) children.set(name, node);
    else if (there.kind === "folder" && node.kind === "folder") children.set(name, merged(there, node));
  }
  return { ...first, children };
}
