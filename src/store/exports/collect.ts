// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DowelError } from "../../base/errors.ts";
import type { Report } from "../../base/events.ts";
import { limits } from "../../base/limits.ts";
import { parseKeyfile } from "../../formats/keyfile/parse.ts";
import { readPlainFile } from "../../sys/plainfile.ts";
import type { StoredImage } from "../image/stored.ts";
import { type FileNode, type FolderNode, findNode } from "../image/tree.ts";
import type { Installation } from "../installation.ts";
import { objectPath } from "../objects/paths.ts";
import { iconProblem } from "./icons.ts";
import { rewriteMime } from "./mime.ts";
import { commandName, type ExportRule, exportRules, isOwnBusName, isOwnName, stem } from "./names.ts";
import { type Exporter, rewriteDesktop, rewriteSearchProvider, rewriteService } from "./rewrite.ts";

interface Collection {
  readonly installation: Installation;
  readonly exporter: Exporter;
  /** D-Bus names that the metadata lets the app own. */
  readonly owned: readonly string[];
  readonly folder: string;
  readonly report: Report;
  /** Whether to say which files are left out: in the `flatpak` layout all of them were meant to be exported. */
  readonly warn: boolean;
  count: number;
}

/**
 * Writes the files that an app exports to a new folder `export`, made fit for the host, and `bin/ID`, which runs the app,
 * also by the name of its command. Files with names that the app may not use are left out, and icons that are none. Runtimes export nothing. Throws `EXPORT_INVALID`,
 * `KEYFILE_SYNTAX`, `LIMIT_EXCEEDED`.
 */
export function collectExports(
  installation: Installation,
  image: StoredImage,
  previousIds: readonly string[],
  folder: string,
  report: Report,
): void {
  mkdirSync(folder);
  if (image.ref.kind !== "app") return;
  const metadata = parseKeyfile(image.metadata, "metadata");
  const policy = "Session Bus Policy";
  const owned = metadata.keys(policy).filter((name) => metadata.get(policy, name) === "own");
  const collection: Collection = {
    installation,
    exporter: {
      ref: image.ref,
      tags: metadata.getList("Application", "tags") ?? [],
      previousIds,
      services: new Set(exportedServices(image, owned)),
    },
    owned,
    folder,
    report,
    warn: image.view.layout === "flatpak",
    count: 0,
  };
  for (const rule of exportRules) {
    const source =
      image.view.exported === undefined ? undefined : findNode(image.view.exported, rule.folder.split("/"));
    if (source?.kind === "folder") collectFolder(collection, rule, source, "");
  }
  const { id, arch, branch } = image.ref;
  const wrapper = `#!/bin/sh\nexec dowel run --branch=${branch} --arch=${arch} ${id} "$@"\n`;
  mkdirSync(join(folder, "bin"));
  for (const name of [id, commandName(metadata.get("Application", "command"), id)]) {
    if (name !== undefined) writeFileSync(join(folder, "bin", name), wrapper, { mode: 0o755 });
  }
}

function* exportedServices({ ref, view }: StoredImage, owned: readonly string[]): Generator<string> {
  const folder = view.exported === undefined ? undefined : findNode(view.exported, ["share", "dbus-1", "services"]);
  if (folder?.kind !== "folder") return;
  for (const [file, node] of folder.children) {
    const name = stem(file, [".service"]);
    if (node.kind === "file" && name !== undefined && isOwnBusName(name, ref.id, owned)) yield name;
  }
}

function collectFolder(collection: Collection, rule: ExportRule, folder: FolderNode, below: string): void {
  for (const [name, node] of folder.children) {
    const path = below === "" ? name : `${below}/${name}`;
    if (node.kind === "folder" && rule.deep) collectFolder(collection, rule, node, path);
    if (node.kind !== "file") continue;
    const own = stem(name, rule.suffixes);
    if (own === undefined) continue;
    if (isAllowed(collection, rule, own)) collectFile(collection, rule, node, path, own);
    else if (collection.warn) {
      const text = `Not exported: ${rule.folder}/${path}, since its name does not begin with ${collection.exporter.ref.id}`;
      collection.report({ type: "warning", text });
    }
  }
}

function isAllowed({ exporter, owned }: Collection, rule: ExportRule, name: string): boolean {
  return rule.exact ? isOwnBusName(name, exporter.ref.id, owned) : isOwnName(name, exporter.ref.id);
}

function collectFile(collection: Collection, rule: ExportRule, node: FileNode, path: string, name: string): void {
  const file = `${rule.folder}/${path}`;
  collection.count += 1;
  if (collection.count > limits.exportedFiles) {
    throw new DowelError("LIMIT_EXCEEDED", `The app exports more than ${limits.exportedFiles} files`);
  }
  if (node.content.size > limits.exportedFileBytes) {
    throw new DowelError(
      "LIMIT_EXCEEDED",
      `${file}: larger than the ${limits.exportedFileBytes} bytes an export may have`,
    );
  }
  const bytes = node.content.inline ?? readContent(collection.installation, node);
  const problem = rule.content === "icon" ? iconProblem(path, bytes) : undefined;
  if (problem !== undefined) {
    collection.report({ type: "warning", text: `Not exported: ${file}, since it ${problem}` });
    return;
  }
  const target = join(collection.folder, rule.target ?? rule.folder, path);
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, rewrite(rule, bytes, file, name, collection.exporter), { mode: 0o644 });
}

function readContent(installation: Installation, { content }: FileNode): Uint8Array {
  return content.size === 0 ? new Uint8Array(0) : readPlainFile(objectPath(installation, content.digest));
}

function rewrite(
  rule: ExportRule,
  bytes: Uint8Array,
  file: string,
  name: string,
  exporter: Exporter,
): Uint8Array | string {
  switch (rule.content) {
    case "desktop":
      return rewriteDesktop(bytes, file, name, exporter);
    case "service":
      return rewriteService(bytes, file, name, exporter);
    case "search-provider":
      return rewriteSearchProvider(bytes, file);
    case "mime":
      return rewriteMime(bytes, file);
    case "icon":
    case "plain":
      return bytes;
  }
}
