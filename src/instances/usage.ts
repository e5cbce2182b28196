// SPDX-License-Identifier: Apache-2.0
import { readdirSync } from "node:fs";
import { dirname } from "node:path";
import { readSmallText } from "./read.ts";
import type { Instance, Usage } from "./types.ts";

/** Bytes; on all machines that Dowel runs on by default. */
const pageBytes = 4096;
const clockTickMicroseconds = 10_000;

/** Files of a control group that bound it, where something else than `max` is in them. */
const limitFiles = ["memory.max", "memory.swap.max", "cpu.max", "pids.max", "io.max"];

function readText(path: string): string | undefined {
  return readSmallText(path)?.trim();
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

/** The files that a group has; undefined where it has gone. */
function filesOf(group: string): ReadonlySet<string> | undefined {
  try {
    return new Set(readdirSync(group));
  } catch {
    return undefined;
  }
}

function groupUsage(group: string, files: ReadonlySet<string>): Usage {
  const [, used] = /^usage_usec ([0-9]+)$/m.exec(readText(`${group}/cpu.stat`) ?? "") ?? [];
  const number = (file: string) => (files.has(file) ? readNumber(`${group}/${file}`) : undefined);
  const counted = { memory: number("memory.current"), tasks: number("pids.current") };
  const procs = () => (readText(`${group}/cgroup.procs`) ?? "").split("\n").filter((pid) => pid !== "");
  const pids = counted.memory === undefined || counted.tasks === undefined ? procs() : [];
  const limits = limitFiles.flatMap((file) => {
    const value = files.has(file) ? readText(`${group}/${file}`) : undefined;
    return value === undefined || value === "" || /^max( |$)/.test(value) ? [] : [[file, value] as const];
  });
  return {
    cpuTime: used === undefined ? undefined : Number(used),
    memory: counted.memory ?? sum(pids.map((pid) => privateMemory(Number(pid)))),
    tasks: counted.tasks ?? pids.length,
    limits: Object.fromEntries(limits),
  };
}

/**
 * Running sandboxes with what they use: as their control groups count it, else as their processes do. Without the
 * memory controller the private memory of their processes. Groups in one folder have the same files, so one is asked.
 */
export function withUsage(instances: readonly Instance[]): (Instance & Usage)[] {
  const known = new Map<string, ReadonlySet<string>>();
  return instances.map((instance) => {
    const { cgroup } = instance;
    if (cgroup === undefined) return { ...instance, ...processUsage(instance) };
    const files = known.get(dirname(cgroup)) ?? filesOf(cgroup);
    if (files === undefined) return { ...instance, ...processUsage(instance) };
    known.set(dirname(cgroup), files);
    return { ...instance, ...groupUsage(cgroup, files) };
  });
}

function processUsage({ childPid }: Instance): Usage {
  const pids = withDescendants(childPid);
  if (pids.length === 0) return { cpuTime: undefined, memory: undefined, tasks: undefined, limits: {} };
  return { cpuTime: sum(pids.map(cpuTimeOf)), memory: sum(pids.map(privateMemory)), tasks: pids.length, limits: {} };
}
