// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { checkCancelled, DowelError, errnoOf } from "../base/errors.ts";
import { check, libc, ptr } from "./libc.ts";

const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;
const pollMilliseconds = 40;

export interface LockOptions {
  readonly exclusive: boolean;
  /** How long to wait for another holder, in milliseconds; 0: not at all. Default: until cancelled. */
  readonly waitMilliseconds?: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Takes a lock on a file, which is created where it is missing (flock(2)), for its owner alone: whoever can read a file
 * can lock it, and keep others waiting. The lock ends with `using` or with the process. Resolves to undefined where another
 * process holds it for longer than the wait. Throws `STORE_INVALID` where something else lies in the place of a file.
 */
export async function lockFile(path: string, options: LockOptions): Promise<Disposable | undefined> {
  const fd = openLock(path);
  const until = performance.now() + (options.waitMilliseconds ?? Number.POSITIVE_INFINITY);
  const operation = (options.exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB;
  try {
    for (;;) {
      checkCancelled(options.signal);
      if (tryLock(fd, operation, path)) return { [Symbol.dispose]: () => closeSync(fd) };
      if (performance.now() >= until) break;
      await sleep(pollMilliseconds);
    }
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  closeSync(fd);
  return undefined;
}

function openLock(path: string): number {
  const { O_RDWR, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;
  let fd: number | undefined;
  try {
    fd = openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600);
    if (fstatSync(fd).isFile()) return fd;
    closeSync(fd);
  } catch (error) {
    if (!["EISDIR", "ELOOP", "ENXIO"].includes(errnoOf(error) ?? "")) throw error;
  }
  throw new DowelError("STORE_INVALID", `${path}: something else lies in the place of a file`);
}

/**
 * Takes the lock on a folder that is there, unless another process has any; undefined then, and where it is a link or
 * missing. The lock ends with `using` or with the process.
 */
export function tryLockFolder(path: string): Disposable | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "ELOOP"].includes(errnoOf(error) ?? "")) return undefined;
    throw error;
  }
  if (tryLock(fd, LOCK_EX | LOCK_NB, path)) return { [Symbol.dispose]: () => closeSync(fd) };
  closeSync(fd);
  return undefined;
}

function tryLock(fd: number, operation: number, path: string): boolean {
  try {
    check("flock", path, () => libc.flock(fd, operation));
    return true;
  } catch (error) {
    if (errnoOf(error) === "EAGAIN") return false;
    throw error;
  }
}

const F_GETLK = 5;
const F_WRLCK = 1;
const F_UNLCK = 2;

/**
 * Whether another process holds a lock on an open file in the manner of POSIX (fcntl(2)), which is another kind than
 * that of `lockFile`.
 */
export function isRecordLocked(fd: number): boolean {
  // struct flock: type and whence in 16 bits each, then, from byte 8 on, start and length: all of the file.
  const request = new Uint8Array(new ArrayBuffer(32));
  const view = new DataView(request.buffer);
  view.setInt16(0, F_WRLCK, true);
  check("fcntl", undefined, () => libc.fcntl(fd, F_GETLK, ptr(request)));
  return view.getInt16(0, true) !== F_UNLCK;
}
