// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { once } from "node:events";
import { statSync } from "node:fs";
import { join } from "node:path";
import { limits } from "../../base/limits.ts";
import { parseKeyfile } from "../../formats/keyfile/parse.ts";
import { launcherPath } from "../../instances/launcher.ts";
import { instanceFolders, listInstances, notedNamespace } from "../../instances/list.ts";
import { readSmallText } from "../../instances/read.ts";
import type { Instance } from "../../instances/types.ts";
import { dataName } from "../../metadata/profile.ts";
import type { FoundFolder } from "./folders.ts";

/** What became of running instances. */
export interface Followed {
  /** Those that have it as it should be. */
  readonly instances: readonly string[];
  readonly failed: readonly { readonly instance: string; readonly reason: string }[];
}

/** What an instance is to show under a name; undefined: nothing. */
export type Shown = Pick<FoundFolder, "path" | "access" | "device"> | undefined;

/** Processes of an instance: those that its first one has begun, then all of its control group. */
function processesOf({ childPid, cgroup }: Instance): readonly number[] {
  const children = readSmallText(`/proc/${childPid}/task/${childPid}/children`) ?? "";
  const group = cgroup === undefined ? "" : (readSmallText(join(cgroup, "cgroup.procs")) ?? "");
  return [...new Set(`${children} ${group}`.split(/\s+/).filter((word) => word !== ""))].map(Number);
}

function isIn(pid: number, namespace: number): boolean {
  try {
    return statSync(`/proc/${pid}/ns/mnt`).ino === namespace;
  } catch {
    // The first process of a sandbox is closed to everybody, and others may have ended.
    return false;
  }
}

/** The words of the helper that say where: a process in the sandbox's own mount namespace, and the namespace's number. */
function placeOf(instance: Instance): readonly [string, string] | undefined {
  const namespace = notedNamespace(instance.folder, "mnt");
  if (typeof namespace !== "number") return undefined;
  const pid = processesOf(instance).find((one) => isIn(one, namespace));
  return pid === undefined ? undefined : [String(pid), String(namespace)];
}

/** Runs the helper; answers what went wrong, "" where nothing did. It may meet a file system that never answers. */
async function launch(words: readonly string[]): Promise<string> {
  const child = spawn(launcherPath(), words, {
    argv0: "dowel-library",
    stdio: ["ignore", "ignore", "pipe"],
    timeout: limits.libraryHelperMilliseconds,
    killSignal: "SIGKILL",
  });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  const [status] = await once(child, "close");
  if (status === 0) return "";
  return said.split("\n")[0] || "the launcher did not end well";
}

async function followIn(instance: Instance, name: string, shown: Shown): Promise<string> {
  const place = placeOf(instance);
  if (place === undefined) return "none of its processes is in the sandbox that it began with";
  if (shown === undefined) return await launch([...place, name]);
  const device = shown.device === undefined ? [] : [String(shown.device)];
  return await launch([...place, name, shown.access, shown.path, ...device]);
}

/** Instances that show the folders of an app: not those that ran without its permissions. */
function isOf({ application, profile, info, folder }: Instance, name: string): boolean {
  if (dataName(application, profile === "" ? undefined : profile) !== name) return false;
  return parseKeyfile(info, `${folder}/info`).getBoolean("Instance", "sandbox") !== true;
}

/**
 * Lets the instances that run show a folder, or nothing, under a name.
 *
 * @param folder of all instances of the user
 * @param app `ID` or `ID@PROFILE`
 */
export async function follow(folder: string, app: string, name: string, shown: Shown): Promise<Followed> {
  const running = listInstances(instanceFolders(folder)).filter((instance) => isOf(instance, app));
  const outcomes = running.map(async (instance) => {
    const reason = await followIn(instance, name, shown);
    return { instance: instance.instance, reason };
  });
  const done = await Promise.all(outcomes);
  return {
    instances: done.filter(({ reason }) => reason === "").map(({ instance }) => instance),
    failed: done.filter(({ reason }) => reason !== ""),
  };
}
