// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { parseKeyfile } from "../../formats/keyfile/parse.ts";
import type { Manifest } from "../manifest/types.ts";
import { readContent } from "../tree/read.ts";
import { addParents, fileAt, removePath, type Tree, textContent } from "../tree/types.ts";

const applications = "files/share/applications";

/** Carries out the `rename-*` keys and those for the desktop file's name. Paths of the tree begin with `files/`. */
export function applyRenames(tree: Tree, manifest: Manifest): void {
  renameMetainfo(tree, manifest);
  setLicense(tree, manifest);
  renameDesktop(tree, manifest);
  renameMime(tree, manifest);
  renameIcon(tree, manifest);
  editDesktop(tree, manifest);
}

function move(tree: Tree, from: string, to: string, keep = false): void {
  const file = fileAt(tree, from);
  if (file === undefined)
    throw new DowelError("BUILD_FAILED", `${from.slice("files/".length)}: no such file to rename`);
  if (from === to) return;
  if (!keep) removePath(tree, from);
  addParents(tree, to);
  tree.set(to, file);
}

function renameMetainfo(tree: Tree, { id, renameAppdataFile, renameDesktopFile }: Manifest): void {
  const names = renameAppdataFile === undefined ? [`${id}.metainfo.xml`, `${id}.appdata.xml`] : [renameAppdataFile];
  const paths = ["metainfo", "appdata"].flatMap((folder) => names.map((name) => `files/share/${folder}/${name}`));
  const found = paths.find((path) => tree.has(path));
  if (found === undefined) {
    if (renameAppdataFile === undefined) return;
    throw new DowelError(
      "BUILD_FAILED",
      `rename-appdata-file: no ${renameAppdataFile} in share/metainfo or share/appdata`,
    );
  }
  const target = `files/share/metainfo/${id}.metainfo.xml`;
  move(tree, found, target);
  if (renameDesktopFile === undefined) return;
  const file = fileAt(tree, target);
  if (file === undefined) return;
  const text = Buffer.from(readContent(file.content)).toString();
  const name = renameDesktopFile.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const replaced = text
    .replace(new RegExp(`(<launchable\\s[^>]*>\\s*)${name}(\\s*</launchable>)`, "g"), `$1${id}.desktop$2`)
    .replace(new RegExp(`(<id>\\s*)${name}(\\s*</id>)`), `$1${id}$2`);
  tree.set(target, { ...file, content: textContent(replaced) });
}

/** `appdata-license`: what the metainfo file says that the project's licence is. */
function setLicense(tree: Tree, { id, appdataLicense }: Manifest): void {
  if (appdataLicense === undefined) return;
  const path = `files/share/metainfo/${id}.metainfo.xml`;
  const file = fileAt(tree, path);
  if (file === undefined) throw new DowelError("BUILD_FAILED", `appdata-license: no metainfo file of ${id}`);
  const text = Buffer.from(readContent(file.content)).toString();
  const license = `<project_license>${escapeXml(appdataLicense)}</project_license>`;
  const element = /<project_license>[^<]*<\/project_license>/;
  const replaced = element.test(text)
    ? text.replace(element, () => license)
    : text.replace(/<\/component>/, () => `  ${license}\n</component>`);
  tree.set(path, { ...file, content: textContent(replaced) });
}

const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };

function escapeXml(text: string): string {
  return text.replace(/[&<>]/g, (character) => entities[character] ?? "");
}

/** `rename-mime-file` and `rename-mime-icons`: kinds of files that the app declares, and their icons. */
function renameMime(tree: Tree, { id, renameMimeFile, renameMimeIcons }: Manifest): void {
  const target = `files/share/mime/packages/${id}.xml`;
  if (renameMimeFile !== undefined) move(tree, `files/share/mime/packages/${renameMimeFile}`, target);
  for (const icon of renameMimeIcons) {
    const found = renameIconFiles(tree, icon, `${id}.${icon}`, false);
    if (found === 0) throw new DowelError("BUILD_FAILED", `rename-mime-icons: no icon named ${icon} in share/icons`);
  }
  const file = fileAt(tree, target);
  if (file === undefined || renameMimeIcons.length === 0) return;
  const names = new Set(renameMimeIcons);
  const text = Buffer.from(readContent(file.content)).toString();
  const replaced = text.replace(/(<(?:generic-)?icon\s+name=)(["'])([^"']*)\2/g, (all, before, quote, name) =>
    names.has(name) ? `${before}${quote}${id}.${name}${quote}` : all,
  );
  tree.set(target, { ...file, content: textContent(replaced) });
}

function renameDesktop(tree: Tree, { id, renameDesktopFile }: Manifest): void {
  if (renameDesktopFile === undefined) return;
  const target = `${applications}/${id}.desktop`;
  move(tree, `${applications}/${renameDesktopFile}`, target);
  edit(tree, target, (keyfile) => {
    const before = keyfile.getList("Desktop Entry", "X-Flatpak-RenamedFrom") ?? [];
    keyfile.setList("Desktop Entry", "X-Flatpak-RenamedFrom", [...before, renameDesktopFile]);
  });
}

function renameIcon(tree: Tree, { id, renameIcon: icon, copyIcon }: Manifest): void {
  if (icon === undefined) return;
  const found = renameIconFiles(tree, icon, id, copyIcon);
  if (found === 0) throw new DowelError("BUILD_FAILED", `rename-icon: no icon named ${icon} in share/icons`);
}

/** Answers how many files had the name. */
function renameIconFiles(tree: Tree, icon: string, to: string, keep: boolean): number {
  let found = 0;
  for (const path of [...tree.keys()]) {
    const match = /^(files\/share\/icons\/[^/]+\/[^/]+\/[^/]+\/)([^/]+)$/.exec(path);
    const [, folder = "", name = ""] = match ?? [];
    const suffix = name.slice(icon.length);
    if (match === null || !name.startsWith(icon) || !/^(-symbolic)?\./.test(suffix)) continue;
    move(tree, path, `${folder}${to}${suffix}`, keep);
    found += 1;
  }
  return found;
}

function editDesktop(tree: Tree, manifest: Manifest): void {
  const { id, renameIcon: icon, desktopNamePrefix: prefix = "", desktopNameSuffix: suffix = "" } = manifest;
  const path = `${applications}/${id}.desktop`;
  if (icon === undefined && prefix === "" && suffix === "") return;
  if (!tree.has(path)) return;
  edit(tree, path, (keyfile) => {
    for (const group of keyfile.groups()) {
      for (const key of keyfile.keys(group)) {
        const value = keyfile.get(group, key) ?? "";
        if (/^Icon(\[.*\])?$/.test(key) && value === icon) keyfile.set(group, key, id);
        const isName = group === "Desktop Entry" && /^Name(\[.*\])?$/.test(key);
        if (isName && prefix + suffix !== "") keyfile.set(group, key, `${prefix}${value}${suffix}`);
      }
    }
  });
}

function edit(tree: Tree, path: string, change: (keyfile: ReturnType<typeof parseKeyfile>) => void): void {
  const file = fileAt(tree, path);
  if (file === undefined) throw new DowelError("BUILD_FAILED", `${path.slice("files/".length)}: no such file`);
  const keyfile = parseKeyfile(readContent(file.content), path.slice("files/".length));
  change(keyfile);
  tree.set(path, { ...file, content: textContent(keyfile.toString()) });
}
