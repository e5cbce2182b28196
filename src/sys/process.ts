// SPDX-License-Identifier: Apache-2.0
import { closeSync, readFileSync, writeSync } from "node:fs";
import { errnoOf } from "../base/errors.ts";
import { check, cString, libc, ptr, syscall, syscallNumber } from "./libc.ts";

const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const F_SETFD = 2;
const F_ADD_SEALS = 1033;
/** Neither size nor content nor the seals can change: F_SEAL_SEAL, SHRINK, GROW, WRITE. */
const allSeals = 0x0f;

/** A sealed file in memory with the given content (memfd_create(2)); the caller closes it. */
export function createSealedFile(name: string, data: Uint8Array): number {
  const text = cString(name);
  const fd = check("memfd_create", name, () => libc.memfd_create(ptr(text), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  try {
    for (let offset = 0; offset < data.length; ) {
      // Its readers begin at its start.
      offset += writeSync(fd, data, offset, data.length - offset, offset);
    }
    check("fcntl", name, () => libc.fcntl(fd, F_ADD_SEALS, allSeals));
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function pointerArray(strings: readonly Uint8Array[]): BigUint64Array {
  const result = new BigUint64Array(new ArrayBuffer(8 * (strings.length + 1)));
  strings.forEach((text, index) => {
    result[index] = BigInt(ptr(text));
  });
  return result;
}

/**
 * Becomes another program (execve(2)). The descriptors of `keep` stay open in it; all others that this process opened
 * close. Returns only by throwing a `SystemError`.
 */
export function replaceProcess(
  path: string,
  words: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  keep: readonly number[],
): never {
  for (const fd of keep) check("fcntl", undefined, () => libc.fcntl(fd, F_SETFD, 0));
  const program = cString(path);
  const argv = words.map(cString);
  const envp = Object.entries(environment).flatMap(([name, value]) =>
    value === undefined ? [] : [cString(`${name}=${value}`)],
  );
  const argvPointers = pointerArray(argv);
  const envpPointers = pointerArray(envp);
  check("execve", path, () => libc.execve(ptr(program), ptr(argvPointers), ptr(envpPointers)));
  throw new Error(`execve of ${path} came back`);
}

/** A descriptor for a process (pidfd_open(2)), which the caller closes; undefined where it has ended. */
export function openProcess(pid: number): number | undefined {
  try {
    return check("pidfd_open", undefined, () => syscall(syscallNumber.pidfdOpen, pid));
  } catch (error) {
    if (errnoOf(error) === "ESRCH") return undefined;
    throw error;
  }
}

/**
 * Sends a signal to a process, but only if `isMeant` still holds once the process cannot be mistaken for another with
 * the same number (pidfd_open(2)). Answers whether it was sent.
 */
export function signalProcess(pid: number, signal: number, isMeant: () => boolean): boolean {
  let fd: number;
  try {
    fd = check("pidfd_open", undefined, () => syscall(syscallNumber.pidfdOpen, pid));
  } catch (error) {
    if (errnoOf(error) === "ESRCH") return false;
    throw error;
  }
  try {
    if (!isMeant()) return false;
    check("pidfd_send_signal", undefined, () => syscall(syscallNumber.pidfdSendSignal, fd, signal));
    return true;
  } catch (error) {
    if (errnoOf(error) === "ESRCH") return false;
    throw error;
  } finally {
    closeSync(fd);
  }
}

/** The version of Landlock that the kernel has in force; 0 for none (landlock_create_ruleset(2)). */
export function landlockVersion(): number {
  const version = 1;
  return Math.max(0, Number(syscall(syscallNumber.landlockCreateRuleset, 0, 0, version)));
}

/** The kernel's clocks are read one after the other, and some of them only tick. */
const startSlack = 100;
/** `sysconf(_SC_CLK_TCK)`, which Linux shows to all programs as the same. */
const ticksPerSecond = 100;

/**
 * When the process behind a pidfd was started, in milliseconds since 1970 (proc_pid_stat(5), field 22), or a little
 * before; now where it has ended.
 */
export function startTime(pidfd: number): number {
  const now = Date.now();
  const pid = /^Pid:\t([1-9][0-9]*)$/m.exec(readFileSync(`/proc/self/fdinfo/${pidfd}`, "latin1"))?.[1];
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The name of the program may hold blanks and parentheses.
    const ticks = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]);
    const uptime = Number.parseFloat(readFileSync("/proc/uptime", "latin1"));
    return now - uptime * 1000 + (ticks * 1000) / ticksPerSecond - startSlack;
  } catch {
    return now;
  }
}
