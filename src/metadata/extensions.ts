// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { splitRelativePath } from "../base/paths.ts";
import type { Keyfile } from "../formats/keyfile/keyfile.ts";
import { hasControlCharacters } from "./permissions/names.ts";
import { isValidBranch, isValidId } from "./ref.ts";

/** An `[Extension NAME]` group: a place where an app or runtime takes extensions. Paths are relative and without `..`. */
export interface ExtensionPoint {
  readonly name: string;
  /** Branches that fit, best first; empty for the branch of the app or runtime itself. */
  readonly versions: readonly string[];
  /** What comes after `@` in the group's name, to tell points of one name apart. */
  readonly tag: string | undefined;
  readonly directory: string;
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

/** A relative path without `.` and empty names; what is no such path stays as it is, to be found out later. */
function plain(path: string | undefined): string | undefined {
  return path === undefined ? undefined : (splitRelativePath(path)?.join("/") ?? path);
}

function readList(keyfile: Keyfile, group: string, key: string): string[] {
  const items = keyfile.getList(group, key) ?? [];
  if (items.length <= limits.extensionListItems) return [...new Set(items)];
  throw new DowelError("LIMIT_EXCEEDED", `[${group}] ${key} has more than ${limits.extensionListItems} items`);
}

function readPoint(keyfile: Keyfile, group: string): ExtensionPoint | undefined {
  const [name = "", tag] = group.slice(prefix.length).split("@");
  if (!isValidId(name)) return undefined;
  const text = (key: string) => keyfile.get(group, key);
  const list = (key: string) => readList(keyfile, group, key);
  const flag = (key: string) => keyfile.getBoolean(group, key) ?? false;
  const version = text("version");
  const declared = keyfile.has(group, "versions") ? list("versions") : version === undefined ? [] : [version];
  const versions = declared.filter(isValidBranch);
  const point = {
    name,
    tag,
    directory: plain(text("directory")) ?? "",
    versions,
    addLdPath: text("add-ld-path"),
    mergeDirs: list("merge-dirs"),
    subdirectories: flag("subdirectories"),
    subdirectorySuffix: text("subdirectory-suffix") || undefined,
    downloadIf: list("download-if"),
    enableIf: list("enable-if"),
    autopruneUnless: list("autoprune-unless"),
    noAutodownload: flag("no-autodownload"),
    localeSubset: flag("locale-subset"),
    autodelete: flag("autodelete"),
  };
  const paths = [point.directory, point.addLdPath ?? "", point.subdirectorySuffix ?? "", ...point.mergeDirs];
  const isSafePath = (path: string) => splitRelativePath(path) !== undefined && !hasControlCharacters(path);
  const isSafe = point.directory !== "" && paths.every(isSafePath);
  return isSafe && versions.length > 0 === declared.length > 0 ? point : undefined;
}

/**
 * All extension points of a metadata keyfile; one whose name is no id, or whose paths are absolute, hold `..` or lack a
 * folder, is left out. Throws `LIMIT_EXCEEDED`.
 */
export function readExtensionPoints(keyfile: Keyfile): ExtensionPoint[] {
  const groups = keyfile.groups().filter((group) => group.startsWith(prefix));
  if (groups.length > limits.extensionPoints) {
    throw new DowelError("LIMIT_EXCEEDED", `The metadata has more than ${limits.extensionPoints} extension points`);
  }
  return groups.map((group) => readPoint(keyfile, group)).filter((point) => point !== undefined);
}

/** What `[ExtensionOf] priority` says, with which extensions of one point are put in order, highest first; 0 by default. */
export function extensionPriority(keyfile: Keyfile): number {
  const text = keyfile.get("ExtensionOf", "priority") ?? "";
  return /^-?[0-9]{1,9}$/.test(text) ? Number(text) : 0;
}
