// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import type { Instance, Usage } from "./types.ts";

/** Bytes; on all machines that Dowel runs on by default. */
const pageBytes = 4096;
const clockTickMicroseconds = 10_000;

/** Files of a control group that bound it, where something else than `max` is in them. */
const limitFiles = ["memory.max", "memory.swap.max", "cpu.max", "pids.max", "io.max"];

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return undefined;
  }
}

function readNumber(path: string): number | undefined {
  const text = readText(path);
  return text !== undefined && /^[0-9]+$/.test(text) ? Number(text) : undefined;
}

/** A process and all below it, as the kernel lists them. */
function withDescendants(pid: number): number[] {
  const children = readText(`/proc/${pid}/task/${pid}/children`);
  if (children === undefined) return [];
  const pids = children === "" ? [] : children.split(" ").map(Number);
  return [pid, ...pids.flatMap(withDescendants)];
}

/** Memory that a process shares with no file: resident pages less those of files. */
function privateMemory(pid: number): number {
  const [, resident = 0, shared = 0] = (readText(`/proc/${pid}/statm`) ?? "").split(" ").map(Number);
  return (resident - shared) * pageBytes;
}

function cpuTimeOf(pid: number): number {
  const [, fields = ""] = /\) (.*)$/s.exec(readText(`/proc/${pid}/stat`) ?? "") ?? [];
  const [user = 0, system = 0] = fields.split(" ").slice(11, 13).map(Number);
  return (user + system) * clockTickMicroseconds;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function groupUsage(group: string): Usage {
  const [, used] = /^usage_usec ([0-9]+)$/m.exec(readText(`${group}/cpu.stat`) ?? "") ?? [];
  const pids = (readText(`${group}/cgroup.procs`) ?? "").split("\n").filter((pid) => pid !== "");
  const limits = limitFiles.flatMap((file) => {
    const value = readText(`${group}/${file}`);
    return value === undefined || value === "" || /^max( |$)/.test(value) ? [] : [[file, value] as const];
  });
  return {
    cpuTime: used === undefined ? undefined : Number(used),
    memory: readNumber(`${group}/memory.current`) ?? sum(pids.map((pid) => privateMemory(Number(pid)))),
    tasks: readNumber(`${group}/pids.current`) ?? pids.length,
    limits: Object.fromEntries(limits),
  };
}

/**
 * What a running sandbox uses: as its control group counts it, else as its processes do. Without the memory controller
 * the private memory of its processes.
 */
export function usageOf({ cgroup, childPid }: Instance): Usage {
  if (cgroup !== undefined) return groupUsage(cgroup);
  const pids = withDescendants(childPid);
  if (pids.length === 0) return { cpuTime: undefined, memory: undefined, tasks: undefined, limits: {} };
  return { cpuTime: sum(pids.map(cpuTimeOf)), memory: sum(pids.map(privateMemory)), tasks: pids.length, limits: {} };
}
