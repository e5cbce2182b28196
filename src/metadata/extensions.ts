// SPDX-License-Identifier: Apache-2.0
import { splitRelativePath } from "../base/paths.ts";
import type { Keyfile } from "../formats/keyfile/keyfile.ts";

/** An `[Extension NAME]` group: a place where an app or runtime takes extensions. Paths are relative and without `..`. */
export interface ExtensionPoint {
  readonly name: string;
  /** What comes after `@` in the group's name, to tell points of one name apart. */
  readonly tag: string | undefined;
  readonly directory: string;
  readonly versions: readonly string[];
  readonly addLdPath: string | undefined;
  readonly mergeDirs: readonly string[];
  readonly subdirectories: boolean;
  readonly subdirectorySuffix: string | undefined;
  readonly downloadIf: readonly string[];
  readonly enableIf: readonly string[];
  readonly autopruneUnless: readonly string[];
  readonly noAutodownload: boolean;
  readonly localeSubset: boolean;
  readonly autodelete: boolean;
}

const prefix = "Extension ";

function readPoint(keyfile: Keyfile, group: string): ExtensionPoint | undefined {
  const [name = "", tag] = group.slice(prefix.length).split("@");
  const text = (key: string) => keyfile.get(group, key);
  const list = (key: string) => keyfile.getList(group, key) ?? [];
  const flag = (key: string) => keyfile.getBoolean(group, key) ?? false;
  const version = text("version");
  const point = {
    name,
    tag,
    directory: text("directory") ?? "",
    versions: keyfile.has(group, "versions") ? list("versions") : version === undefined ? [] : [version],
    addLdPath: text("add-ld-path"),
    mergeDirs: list("merge-dirs"),
    subdirectories: flag("subdirectories"),
    subdirectorySuffix: text("subdirectory-suffix"),
    downloadIf: list("download-if"),
    enableIf: list("enable-if"),
    autopruneUnless: list("autoprune-unless"),
    noAutodownload: flag("no-autodownload"),
    localeSubset: flag("locale-subset"),
    autodelete: flag("autodelete"),
  };
  const paths = [point.directory, point.addLdPath ?? "", point.subdirectorySuffix ?? "", ...point.mergeDirs];
  return point.directory !== "" && paths.every((path) => splitRelativePath(path) !== undefined) ? point : undefined;
}

/** All extension points of a metadata keyfile; one whose paths are absolute, hold `..` or lack a folder is left out. */
export function readExtensionPoints(keyfile: Keyfile): ExtensionPoint[] {
  const groups = keyfile.groups().filter((group) => group.startsWith(prefix));
  return groups.map((group) => readPoint(keyfile, group)).filter((point) => point !== undefined);
}
