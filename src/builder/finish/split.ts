// SPDX-License-Identifier: Apache-2.0
import { Keyfile } from "../../formats/keyfile/keyfile.ts";
import { formatRef, type Ref } from "../../metadata/ref.ts";
import type { Manifest } from "../manifest/types.ts";
import { type Tree, type TreeEntry, textContent } from "../tree/types.ts";

/** An extension that a build makes beside its main image. */
export interface SplitImage {
  readonly ref: Ref;
  readonly metadata: string;
  /** `files/…` and `metadata`. */
  readonly tree: Tree;
  /** The extension point of the main image that takes it. */
  readonly point: readonly [name: string, pairs: readonly (readonly [string, string])[]];
  /** Whether it comes along where the main image is installed. */
  readonly comesAlong: boolean;
}

export interface SplitInput {
  readonly manifest: Manifest;
  readonly ref: Ref;
  /** `ID/ARCH/BRANCH` of the runtime of an app. */
  readonly runtime: string;
}

/** `ID.NAME`; of an id only the last element may have `-`. */
function extensionId(id: string, name: string): string {
  return `${id.replaceAll("-", "_")}.${name}`;
}

/** The tree of one folder's files, which leave the main tree; undefined where there are none. */
function takeFolder(tree: Tree, folder: string): Tree | undefined {
  const taken: Tree = new Map([["files", { kind: "directory" }]]);
  const moved = (path: string) => `files${path.slice(folder.length)}`;
  const files = new Map<string, TreeEntry>();
  for (const [path, entry] of tree) {
    if (!path.startsWith(`${folder}/`)) continue;
    if (entry.kind === "hardlink" && !entry.to.startsWith(`${folder}/`)) {
      const original = tree.get(entry.to);
      if (original !== undefined) files.set(path, original);
    } else files.set(path, entry);
  }
  if (files.size === 0) return undefined;
  for (const [path, entry] of files) {
    taken.set(moved(path), entry.kind === "hardlink" ? { ...entry, to: moved(entry.to) } : entry);
    tree.delete(path);
  }
  for (const [path, entry] of tree) {
    const original = entry.kind === "hardlink" ? files.get(entry.to) : undefined;
    if (original !== undefined) tree.set(path, original);
  }
  return taken;
}

function toImage(
  { ref, runtime }: SplitInput,
  tree: Tree,
  image: { readonly id: string; readonly branch?: string; readonly comesAlong: boolean },
  pairs: SplitImage["point"][1],
): SplitImage {
  const keyfile = new Keyfile();
  keyfile.set("Runtime", "name", image.id);
  keyfile.set("ExtensionOf", "ref", formatRef(ref));
  if (ref.kind === "app") keyfile.set("ExtensionOf", "runtime", runtime);
  const metadata = keyfile.toString();
  tree.set("metadata", { kind: "file", executable: false, content: textContent(metadata) });
  return {
    ref: { kind: "runtime", id: image.id, arch: ref.arch, branch: image.branch ?? ref.branch },
    metadata,
    tree,
    point: [image.id, pairs],
    comesAlong: image.comesAlong,
  };
}

const localePath = /^files\/(lib|share)\/locale\/([^/]+)$/;
const localeFolder = "files/share/runtime/locale";

/** Moves translations to `share/runtime/locale/LANGUAGE/…`, with a link where they were. English stays. */
function moveLocales(tree: Tree): void {
  for (const [path, entry] of [...tree]) {
    const [, top = "", name = ""] = localePath.exec(path) ?? [];
    const language = name.replace(/[_.@].*$/, "");
    if (entry.kind !== "directory" || language === "" || language === "C" || language === "en") continue;
    const target = `${localeFolder}/${language}/${top}/${name}`;
    const moved = (old: string) => (old === path || old.startsWith(`${path}/`) ? target + old.slice(path.length) : old);
    for (const folder of foldersAbove(target)) if (!tree.has(folder)) tree.set(folder, { kind: "directory" });
    for (const [old, inside] of [...tree]) {
      const entryMoved: TreeEntry = inside.kind === "hardlink" ? { ...inside, to: moved(inside.to) } : inside;
      if (old !== moved(old)) tree.delete(old);
      if (old !== moved(old) || entryMoved !== inside) tree.set(moved(old), entryMoved);
    }
    tree.set(path, { kind: "symlink", target: `../../share/runtime/locale/${language}/${top}/${name}` });
  }
}

function foldersAbove(path: string): string[] {
  const names = path.split("/");
  return names.slice(1).map((_name, index) => names.slice(0, index + 1).join("/"));
}

function splitLocales(tree: Tree, input: SplitInput): SplitImage[] {
  if (!input.manifest.separateLocales) return [];
  moveLocales(tree);
  const taken = takeFolder(tree, localeFolder);
  if (taken === undefined) return [];
  const id = extensionId(input.ref.id, "Locale");
  const pairs = [
    ["directory", "share/runtime/locale"],
    ["autodelete", "true"],
    ["locale-subset", "true"],
  ] as const;
  return [toImage(input, taken, { id, comesAlong: true }, pairs)];
}

function splitDebug(tree: Tree, input: SplitInput): SplitImage[] {
  const taken = takeFolder(tree, "files/lib/debug");
  if (taken === undefined) return [];
  const pairs = [
    ["directory", "lib/debug"],
    ["autodelete", "true"],
    ["no-autodownload", "true"],
  ] as const;
  return [toImage(input, taken, { id: extensionId(input.ref.id, "Debug"), comesAlong: false }, pairs)];
}

function splitBundles(tree: Tree, input: SplitInput): SplitImage[] {
  const { extensions, bundledExtensions } = input.manifest;
  return bundledExtensions.flatMap((name) => {
    const pairs = extensions.get(name) ?? [];
    const value = (key: string) => pairs.find(([other]) => other === key)?.[1];
    const folder = `files/${value("directory") ?? ""}`.replace(/\/+$/, "");
    const taken = takeFolder(tree, folder);
    if (taken === undefined) return [];
    const branch = value("version") ?? input.ref.branch;
    const image = { id: name.replace(/@.*$/, ""), branch, comesAlong: value("no-autodownload") !== "true" };
    return [{ ...toImage(input, taken, image, pairs), point: [name, pairs] as const }];
  });
}

/**
 * Takes what becomes extensions out of a tree: translations, debugging data, and the folders of extensions that are
 * bundled. Their folders stay, empty, as the places where they are shown.
 */
export function splitTree(tree: Tree, input: SplitInput): readonly SplitImage[] {
  if (input.manifest.kind === "extension") return [];
  return [...splitBundles(tree, input), ...splitLocales(tree, input), ...splitDebug(tree, input)];
}
