// SPDX-License-Identifier: Apache-2.0
import { join, relative } from "node:path";
import { DowelError } from "../../base/errors.ts";
import { compareBytes } from "../../base/text.ts";
import { xdgUserFolders } from "../../metadata/permissions/filesystem.ts";
import type { Permissions } from "../../metadata/permissions/model.ts";
import type { Host } from "../probe/host.ts";
import type { RootBuilder } from "./builder.ts";
import type { User } from "./etc.ts";
import { addExports, type Export, type Exports, exportOf, isBelow, isReserved } from "./filesystems.ts";
import { type ResolvedPath, resolveHostPath } from "./resolve.ts";
import { userFolder } from "./tokens.ts";
import type { Specification } from "./types.ts";

type DataEntry = Specification["data"][number];

/** Folders that every app has below `~/.var/app/ID`. */
const dataFolders = ["cache", "cache/tmp", "config", "data", ".local/state"];

const varBinds = [
  ["cache", "/var/cache"],
  ["data", "/var/data"],
  ["config", "/var/config"],
  ["cache/tmp", "/var/tmp"],
] as const;

/**
 * The caller's home without links, and the links on the way to it. Throws `SANDBOX_INVALID` for a home that would
 * cover the sandbox's own folders.
 */
export function findHome(host: Host, { home }: Pick<User, "home">): Pick<ResolvedPath, "path" | "links"> {
  const resolved = resolveHostPath(host, home) ?? { path: home, links: [] };
  if (!isReserved(resolved.path)) return resolved;
  throw new DowelError("SANDBOX_INVALID", `The home folder ${home} cannot be the home of a sandbox`, {
    hint: "Set HOME to a folder of your own.",
  });
}

/** The folder of an app's own data, by its `dataName`. */
export function dataFolderOf(home: string, name: string): string {
  return `${home}/.var/app/${name}`;
}

export interface HomeInput {
  /** Without links. */
  readonly home: string;
  readonly exports: Exports;
  /** Undefined for a runtime alone. */
  readonly dataFolder: string | undefined;
  readonly permissions: Permissions;
  readonly hidden: readonly string[];
  /** What the app finds as `user-dirs.dirs`; undefined: nothing of ours. */
  readonly userDirs: string | undefined;
}

/** The folders of user-dirs(5) that the sandbox shows, as the text of `user-dirs.dirs`; undefined where it shows none. */
export function userDirsText(host: Host, home: string, exports: Exports): string | undefined {
  const lines = [...xdgUserFolders.values()].flatMap((key) => {
    const folder = userFolder(host, home, key);
    const path = folder === undefined ? undefined : resolveHostPath(host, folder)?.path;
    const mode = path === undefined ? undefined : exportOf(exports, path)?.mode;
    return path === undefined || mode === undefined || mode === "none" ? [] : [`XDG_${key}_DIR="${quote(path)}"\n`];
  });
  return lines.length === 0 ? undefined : lines.join("");
}

function quote(path: string): string {
  return path.replace(/["\\$`]/g, "\\$&");
}

function seesHome({ exports, home }: HomeInput): boolean {
  const mode = exportOf(exports, home)?.mode ?? "none";
  return mode !== "none";
}

function inDataPath(item: Export): string | undefined {
  return item.mode === "none" ? undefined : item.inData;
}

function persistentPaths(input: HomeInput): string[] {
  if (input.dataFolder === undefined || seesHome(input)) return [];
  const normalised = input.permissions.persistent.map((path) =>
    path
      .split("/")
      .filter((name) => name !== "" && name !== ".")
      .join("/"),
  );
  return [...new Set(normalised)];
}

const userDirs = "config/user-dirs.dirs";

/** What must exist below the app's own folder before a start, parents first. */
export function dataEntries(input: HomeInput): DataEntry[] {
  if (input.dataFolder === undefined) return [];
  const entries: DataEntry[] = dataFolders.map((path) => ({ path, kind: "directory" }));
  for (const item of input.exports.exports) {
    const path = inDataPath(item);
    if (path !== undefined) entries.push({ path, kind: item.type === "directory" ? "directory" : "file" });
  }
  if (input.userDirs !== undefined) entries.push({ path: userDirs, kind: "file" });
  const persistent = persistentPaths(input).filter((path) => path !== "");
  return [...entries, ...persistent.map((path): DataEntry => ({ path, kind: "directory" }))];
}

/** Adds denials for folders that no wider permission shows: a permission that names one of them wins over its denial. */
function withHidden(host: Host, input: HomeInput): Exports {
  const { exports, ...rest } = input.exports;
  const targets = new Set(exports.map((item) => item.target));
  const denials: Export[] = [];
  for (const source of [`${input.home}/.var/app`, ...input.hidden]) {
    for (const item of exports) {
      if (item.mode === "none" || !isBelow(source, item.source)) continue;
      const target = join(item.target, relative(item.source, source));
      if (targets.has(target) || host.lookAt(source)?.type !== "directory") continue;
      targets.add(target);
      denials.push({ source, target, type: "directory", mode: "none", inData: undefined });
    }
  }
  return { ...rest, exports: [...exports, ...denials].sort((left, right) => compareBytes(left.target, right.target)) };
}

function addData(root: RootBuilder, input: HomeInput, dataFolder: string): void {
  const options = { access: "rw", distrusted: true } as const;
  for (const path of persistentPaths(input)) {
    if (path === "") root.bind(dataFolder, input.home, options);
    else root.bind(`${dataFolder}/${path}`, `${input.home}/${path}`, options);
  }
  root.bind(dataFolder, dataFolder, options);
  for (const [path, target] of varBinds) root.bind(`${dataFolder}/${path}`, target, options);
  for (const item of input.exports.exports) {
    const path = inDataPath(item);
    if (path === undefined) continue;
    const target = `${dataFolder}/${path}`;
    root.assume(target);
    const type = item.type === "directory" ? "directory" : "file";
    root.bind(item.source, target, { access: item.mode === "ro" ? "ro" : "rw", type, optional: true });
  }
  if (input.userDirs === undefined) return;
  const source = "/run/host/user-dirs.dirs";
  root.file(source, input.userDirs);
  root.assume(`${dataFolder}/${userDirs}`);
  root.bind(source, `${dataFolder}/${userDirs}`, { type: "file", fromLayer: true });
}

/** Other names of the app's own folder: its id, where a profile has another one, and ids that it had before. */
export function addDataNames(root: RootBuilder, home: string, name: string, others: readonly string[]): void {
  for (const other of others) if (other !== name) root.symlink(dataFolderOf(home, other), name);
}

/** The home, the host's files that the permissions show, and the app's own folders. */
export function addHome(root: RootBuilder, host: Host, input: HomeInput): void {
  if (!seesHome(input)) root.tmpfs(input.home, 0o700);
  addExports(root, withHidden(host, input));
  if (input.dataFolder !== undefined) addData(root, input, input.dataFolder);
  else for (const name of ["tmp", "cache"]) root.tmpfs(`/var/${name}`, 0o1777);
}
