// SPDX-License-Identifier: Apache-2.0
import { readdirSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { errnoOf } from "../../base/errors.ts";

/** The pids of a process, from the host's namespace to its own. */
export function pidsOf(pid: number): readonly number[] {
  const line = /^NSpid:(.*)$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? "";
  return line.trim().split(/\s+/).map(Number);
}

/** The group of a process, the third field behind its name in proc_pid_stat(5). */
function groupOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[2]);
}

/** Whether a process is in a group and deeper in pid namespaces than its first, which is to say in the sandbox. */
function isInside(pid: number, leader: number, depth: number): boolean {
  try {
    return pid !== leader && groupOf(pid) === leader && pidsOf(pid).length > depth;
  } catch {
    // It has ended meanwhile.
    return false;
  }
}

function insideOf(leader: number): readonly number[] {
  const pids = readdirSync("/proc").filter((name) => /^[0-9]+$/.test(name));
  // A monitor that has ended has no line, and then nothing is inside.
  const depth = pids.includes(String(leader)) ? pidsOf(leader).length : Number.POSITIVE_INFINITY;
  return pids.map(Number).filter((pid) => isInside(pid, leader, depth));
}

/** What a monitor does not pass on. */
const direct: readonly number[] = [constants.signals.SIGKILL, constants.signals.SIGSTOP, constants.signals.SIGCONT];

/**
 * Signals the group of a sandbox's monitor, each process once: as the monitor passes on what it gets, it is left out
 * when the sandbox has begun. Throws `ESRCH` where the group has ended.
 */
export function signalGroup(leader: number, number: number): void {
  const inside = direct.includes(number) ? [] : insideOf(leader);
  if (inside.length === 0) process.kill(-leader, number);
  for (const pid of inside) {
    try {
      process.kill(pid, number);
    } catch (error) {
      if (errnoOf(error) !== "ESRCH") throw error;
    }
  }
}
