// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { once } from "node:events";
import { statSync } from "node:fs";
import { join } from "node:path";
import { limits } from "../base/limits.ts";
import { launcherPath } from "./launcher.ts";
import { notedNamespace } from "./list.ts";
import { readSmallText } from "./read.ts";
import type { Instance } from "./types.ts";

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
export function placeInside(instance: Instance): readonly [string, string] | undefined {
  const namespace = notedNamespace(instance.folder, "mnt");
  if (typeof namespace !== "number") return undefined;
  const pid = processesOf(instance).find((one) => isIn(one, namespace));
  return pid === undefined ? undefined : [String(pid), String(namespace)];
}

/** Runs a helper of the launcher that goes there, by its name; answers what went wrong, "" where nothing did. It may meet a file system that never answers. */
export async function launchInside(
  helper: "dowel-document" | "dowel-library",
  words: readonly string[],
): Promise<string> {
  const child = spawn(launcherPath(), words, {
    argv0: helper,
    stdio: ["ignore", "ignore", "pipe"],
    timeout: limits.insideHelperMilliseconds,
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
