// SPDX-License-Identifier: Apache-2.0
import { closeSync, readdirSync, readlinkSync } from "node:fs";
import { constants } from "node:os";
import { check, lastErrno, libc, ptr } from "./libc.ts";

const EPOLL_CLOEXEC = 0o2000000;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLL_CTL_MOD = 3;
const batch = 64;
/** `struct epoll_event` is packed on x86-64 alone. */
const eventBytes = process.arch === "x64" ? 12 : 16;
const dataOffset = eventBytes - 8;

export const pollFor = { input: 1, priority: 2, output: 4, error: 8, hangup: 16 } as const;

/** Those that were made here. */
const own = new Set<number>();

/**
 * The epoll descriptor of the JavaScript engine's own loop, which can be read from when the engine has something to do:
 * the first that was made in this process, so ask before there are other threads. Undefined where it is not found.
 */
export function findEngineEpoll(): number | undefined {
  const numbers = readdirSync("/proc/self/fd").map(Number);
  return numbers.sort((left, right) => left - right).find((fd) => !own.has(fd) && isEpoll(fd));
}

function isEpoll(fd: number): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`) === "anon_inode:[eventpoll]";
  } catch {
    // The one that listed the folder is closed by now.
    return false;
  }
}

/** An epoll(7) instance, level triggered. Waiting allocates nothing. Throws a `SystemError`. */
export class Epoll implements Disposable {
  readonly #fd = check("epoll_create1", undefined, () => libc.epoll_create1(EPOLL_CLOEXEC));
  readonly #buffer = new ArrayBuffer(eventBytes * batch);
  readonly #view = new DataView(this.#buffer);
  readonly #bytes = new Uint8Array(this.#buffer);
  readonly #address = ptr(this.#bytes);
  readonly #request = new DataView(new ArrayBuffer(16));
  readonly #requestAddress = ptr(this.#request);

  constructor() {
    own.add(this.#fd);
  }

  #control(operation: number, fd: number, id: number, mask: number): void {
    this.#request.setUint32(0, mask, true);
    this.#request.setUint32(dataOffset, id, true);
    check("epoll_ctl", undefined, () => libc.epoll_ctl(this.#fd, operation, fd, this.#requestAddress));
  }

  /** Watches a descriptor; its events carry `id`, below 2^32. Errors and hang-ups are always told. */
  add(fd: number, id: number, mask: number): void {
    this.#control(EPOLL_CTL_ADD, fd, id, mask);
  }

  modify(fd: number, id: number, mask: number): void {
    this.#control(EPOLL_CTL_MOD, fd, id, mask);
  }

  remove(fd: number): void {
    this.#control(EPOLL_CTL_DEL, fd, 0, 0);
  }

  /** Number of events there are, at most 64; 0 after the time in milliseconds (-1: none), and after a signal. */
  wait(milliseconds: number): number {
    const count = libc.epoll_wait(this.#fd, this.#address, batch, milliseconds);
    if (count >= 0) return count;
    if (lastErrno() === constants.errno.EINTR) return 0;
    return check("epoll_wait", undefined, () => libc.epoll_wait(this.#fd, this.#address, batch, 0));
  }

  idOf(event: number): number {
    return this.#view.getUint32(event * eventBytes + dataOffset, true);
  }

  maskOf(event: number): number {
    return this.#view.getUint32(event * eventBytes, true);
  }

  [Symbol.dispose](): void {
    own.delete(this.#fd);
    closeSync(this.#fd);
  }
}
