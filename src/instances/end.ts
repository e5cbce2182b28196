// SPDX-License-Identifier: Apache-2.0
import { rmdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { DowelError, errnoOf } from "../base/errors.ts";
import { signalProcess } from "../sys/process.ts";
import { type InstanceFolder, instanceFolders, isAlive, listInstances, notedGroup } from "./list.ts";
import type { Instance } from "./types.ts";

/** Flatpak's rule: a folder that young may still be about to be locked. */
const youngMilliseconds = 3000;

/** The running instances that a word means: a number, or the id of an app. Throws `INSTANCE_NOT_FOUND`. */
export function findInstances(folder: string, word: string): Instance[] {
  const found = listInstances(instanceFolders(folder)).filter(
    ({ instance, application }) => instance === word || application === word,
  );
  if (found.length > 0) return found;
  throw new DowelError("INSTANCE_NOT_FOUND", `${word} does not run`, { hint: "See what runs with: dowel ps" });
}

/**
 * Ends all processes of an instance at once: by its control group (Linux 5.14), else by the first of them, with which
 * the kernel ends the rest. Answers whether there was something to end.
 */
export function endInstance({ cgroup, childPid, folder }: Instance): boolean {
  if (cgroup !== undefined) {
    try {
      writeFileSync(`${cgroup}/cgroup.kill`, "1");
      return true;
    } catch (error) {
      if (!["ENOENT", "EACCES", "ENODEV"].includes(errnoOf(error) ?? "")) throw error;
    }
  }
  return childPid > 0 && signalProcess(childPid, constants.signals.SIGKILL, () => isAlive(folder));
}

function removeGroup(path: string): void {
  try {
    rmdirSync(path);
  } catch (error) {
    // EBUSY: the kernel is still ending the last process; the next sweep finds it.
    if (!["ENOENT", "EBUSY", "EACCES"].includes(errnoOf(error) ?? "")) throw error;
  }
}

/** Takes away what instances left whose monitor was killed: their control groups and folders. */
export function sweepInstances(folders: readonly InstanceFolder[], now = Date.now()): void {
  for (const { path, isAlive, since } of folders) {
    const noted = since ?? statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? now;
    if (isAlive || now - noted < youngMilliseconds) continue;
    const group = notedGroup(path);
    if (group !== undefined) removeGroup(group);
    rmSync(path, { recursive: true, force: true });
  }
}
