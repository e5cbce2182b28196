// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, fstatSync, openSync, readdirSync } from "node:fs";
import { basename } from "node:path";
import { isDowelError } from "../base/errors.ts";
import type { Keyfile } from "../formats/keyfile/keyfile.ts";
import { parseKeyfile } from "../formats/keyfile/parse.ts";
import { isRecordLocked } from "../sys/locks.ts";
import { readSmallText } from "./read.ts";
import type { Instance } from "./types.ts";

/** The folder of an instance, dead or alive. */
export interface InstanceFolder {
  readonly path: string;
  /** Its monitor holds a lock on `.ref`. */
  readonly isAlive: boolean;
  /** When `.ref` was made, in milliseconds since the epoch; undefined where it is missing. */
  readonly since: number | undefined;
}

function examine(path: string): InstanceFolder {
  let fd: number;
  try {
    fd = openSync(`${path}/.ref`, constants.O_RDWR | constants.O_NOFOLLOW);
  } catch {
    return { path, isAlive: false, since: undefined };
  }
  try {
    return { path, isAlive: isRecordLocked(fd), since: fstatSync(fd).mtimeMs };
  } finally {
    closeSync(fd);
  }
}

/** Whether the sandbox of an instance's folder still runs. */
export function isAlive(folder: string): boolean {
  return examine(folder).isAlive;
}

function readJson(path: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(readSmallText(path) ?? "{}");
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** The control group that the launcher noted; nothing that it would not have made. */
export function notedGroup(folder: string): string | undefined {
  const path = readJson(`${folder}/dowel`)["cgroup"];
  const own = `dowel-${basename(folder)}`;
  return typeof path === "string" && path.startsWith("/sys/fs/cgroup/") && basename(path) === own ? path : undefined;
}

/** The inode of a namespace of an instance, as its folder says. */
export function notedNamespace(folder: string, name: "mnt" | "pid"): unknown {
  return readJson(`${folder}/bwrapinfo.json`)[`${name}-namespace`];
}

function parseInfo(text: string, path: string): Keyfile | undefined {
  try {
    return parseKeyfile(text, path);
  } catch (error) {
    if (isDowelError(error)) return undefined;
    throw error;
  }
}

function readInstance({ path: folder, since }: InstanceFolder): Instance | undefined {
  const info = readSmallText(`${folder}/info`);
  const keyfile = info === undefined ? undefined : parseInfo(info, `${folder}/info`);
  const pid = Number(readSmallText(`${folder}/pid`));
  const childPid = readJson(`${folder}/bwrapinfo.json`)["child-pid"];
  if (info === undefined || keyfile === undefined || !Number.isSafeInteger(pid)) return undefined;
  const group = keyfile.hasGroup("Application") ? "Application" : "Runtime";
  const own = (key: string) => keyfile.get("Instance", key) ?? "";
  const [, runtime = "", , runtimeBranch = ""] = (keyfile.get(group, "runtime") ?? "").split("/");
  return {
    instance: basename(folder),
    folder,
    pid,
    childPid: typeof childPid === "number" ? childPid : 0,
    application: keyfile.get(group, "name") ?? "",
    arch: own("arch"),
    branch: own("branch"),
    commit: own("app-commit"),
    runtime,
    runtimeBranch,
    runtimeCommit: own("runtime-commit"),
    profile: own("profile"),
    started: since ?? 0,
    cgroup: notedGroup(folder),
    info,
  };
}

/** The folders of instances below the folder of all, dead ones too. */
export function instanceFolders(folder: string): InstanceFolder[] {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return [];
  }
  return names.filter((name) => /^[0-9]{1,20}$/.test(name)).map((name) => examine(`${folder}/${name}`));
}

/** What runs, oldest first: Dowel's instances and those that Flatpak started for the same user. */
export function listInstances(folders: readonly InstanceFolder[]): Instance[] {
  return folders
    .filter((one) => one.isAlive)
    .map(readInstance)
    .filter((found) => found !== undefined)
    .sort((left, right) => left.started - right.started);
}
