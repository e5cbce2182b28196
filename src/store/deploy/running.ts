// SPDX-License-Identifier: Apache-2.0
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  statSync,
} from "node:fs";
import { basename } from "node:path";

/** What the processes of this machine show. */
export interface Running {
  /** Commits of apps and runtimes that sandboxes were made of. */
  readonly commits: ReadonlySet<string>;
  /** Whether a sandbox is just being made, so that its commits cannot be known yet. */
  readonly starting: boolean;
}

/** `/.flatpak-info` is short; what is longer was not made by a launcher. */
const infoBytes = 256 * 1024;

/** A launcher that has made no sandbox after so long is stuck, or its sandbox ended. */
const startSeconds = 60;

/** `O_NONBLOCK`, because in a root of its own an app can put a pipe there. */
const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * Which versions run, found by `/.flatpak-info` in the root of every process that the caller may look into: all for root,
 * the own ones for others, and nobody but them runs what a user installed. What an app makes its processes show can
 * only keep a version longer, since the sandbox's init is not in its power.
 */
export function findRunning(): Running {
  const commits = new Set<string>();
  const sandboxed = new Set<string>();
  const launchers: string[] = [];
  const host = rootOf("self");
  for (const pid of readdirSync("/proc").filter((name) => /^[0-9]+$/.test(name))) {
    const info = readInfo(`/proc/${pid}/root/.flatpak-info`);
    if (info !== undefined) {
      for (const [commit] of info.matchAll(/\b[0-9a-f]{64}\b/g)) commits.add(commit);
      sandboxed.add(parentOf(pid));
    } else if (isLauncher(pid)) {
      launchers.push(pid);
      // A sandbox of another kind, such as a build's, is finished too once its root is its own.
      if (rootOf(pid) !== host) sandboxed.add(parentOf(pid)).add(pid);
    }
  }
  // The monitor stays outside, and its child, the init, is inside; a launcher without one is on the way.
  return { commits, starting: launchers.some((pid) => !sandboxed.has(pid) && ageOf(pid) < startSeconds) };
}

function readInfo(path: string): string | undefined {
  let fd: number | undefined;
  try {
    fd = openSync(path, flags);
    const stat = fstatSync(fd);
    if (!stat.isFile()) return undefined;
    const bytes = Buffer.alloc(Math.min(stat.size, infoBytes));
    return bytes.toString("utf8", 0, readSync(fd, bytes, 0, bytes.length, 0));
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** Which folder a process has as its root; undefined where it is gone or may not be looked into. */
function rootOf(pid: string): string | undefined {
  try {
    const root = statSync(`/proc/${pid}/root/`);
    return `${root.dev}:${root.ino}`;
  } catch {
    return undefined;
  }
}

/** Whether a process is the launcher, on the way to a sandbox or beside one; what keeps the session service is neither. */
function isLauncher(pid: string): boolean {
  try {
    if (basename(readlinkSync(`/proc/${pid}/exe`)).replace(/ \(deleted\)$/, "") !== "dowel") return false;
    return !readFileSync(`/proc/${pid}/cmdline`, "latin1").startsWith("dowel-keep\0");
  } catch {
    return false;
  }
}

function parentOf(pid: string): string {
  return fieldOf(pid, 4);
}

/** Seconds since the process began; its start is counted in hundredths of a second since the boot. */
function ageOf(pid: string): number {
  const uptime = Number.parseFloat(readFileSync("/proc/uptime", "latin1"));
  return uptime - Number(fieldOf(pid, 22)) / 100;
}

/** A field of proc_pid_stat(5), from the third; the name before it may hold anything, parentheses too. */
function fieldOf(pid: string, number: number): string {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    return text.slice(text.lastIndexOf(")") + 2).split(" ")[number - 3] ?? "";
  } catch {
    return "";
  }
}
