// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, openSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename } from "node:path";
import { isDowelError } from "../base/errors.ts";
import type { Keyfile } from "../formats/keyfile/keyfile.ts";
import { parseKeyfile } from "../formats/keyfile/parse.ts";
import { isRecordLocked } from "../sys/locks.ts";
import type { Instance } from "./types.ts";

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

/** Whether the sandbox of an instance's folder still runs: its monitor holds a lock on `.ref`. */
export function isAlive(folder: string): boolean {
  let fd: number;
  try {
    fd = openSync(`${folder}/.ref`, constants.O_RDWR | constants.O_NOFOLLOW);
  } catch {
    return false;
  }
  try {
    return isRecordLocked(fd);
  } finally {
    closeSync(fd);
  }
}

function readJson(path: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(readText(path) ?? "{}");
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
export function notedNamespace(folder: string, name: "pid"): unknown {
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

function readInstance(folder: string): Instance | undefined {
  const info = readText(`${folder}/info`);
  const keyfile = info === undefined ? undefined : parseInfo(info, `${folder}/info`);
  const pid = Number(readText(`${folder}/pid`));
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
    started: statSync(`${folder}/pid`, { throwIfNoEntry: false })?.mtimeMs ?? 0,
    cgroup: notedGroup(folder),
    info,
  };
}

/** The folders of instances below the folder of all, dead ones too. */
export function instanceFolders(folder: string): string[] {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return [];
  }
  return names.filter((name) => /^[0-9]{1,20}$/.test(name)).map((name) => `${folder}/${name}`);
}

/** What runs, oldest first: Dowel's instances and those that Flatpak started for the same user. */
export function listInstances(folder: string): Instance[] {
  return instanceFolders(folder)
    .filter(isAlive)
    .map(readInstance)
    .filter((found) => found !== undefined)
    .sort((left, right) => left.started - right.started);
}
