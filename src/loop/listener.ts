// SPDX-License-Identifier: Apache-2.0
import { closeSync } from "node:fs";
import { limits } from "../base/limits.ts";
import { pollFor } from "../sys/epoll.ts";
import { acceptUnix } from "../sys/sockets.ts";
import type { EventLoop, Watch } from "./loop.ts";

/** So that one flood of connections does not keep the loop from all others. */
const acceptsPerTurn = 16;

/** Where clients of one bus of one sandbox connect. Owns the listening descriptor. */
export class Listener implements Disposable {
  readonly #fd: number;
  readonly #loop: EventLoop;
  readonly #watch: Watch;
  readonly #accepted: (fd: number) => void;
  #open = 0;
  #paused = false;

  /** @param accepted owns the descriptor that it gets, and causes one call of `released` */
  constructor(loop: EventLoop, fd: number, accepted: (fd: number) => void) {
    this.#fd = fd;
    this.#loop = loop;
    this.#accepted = accepted;
    this.#watch = loop.watch(fd, pollFor.input, () => this.#accept());
  }

  #accept(): void {
    try {
      for (let count = 0; count < acceptsPerTurn; count++) {
        const fd = this.#open < limits.busConnections ? acceptUnix(this.#fd) : this.#pause();
        if (fd === undefined) return;
        this.#open++;
        this.#accepted(fd);
      }
    } catch {
      // No more descriptors: who comes now waits in the kernel's queue.
      this.#pause();
      this.#loop.retry(() => this.#resume());
    }
  }

  #pause(): undefined {
    this.#paused = true;
    this.#watch.update(0);
    return undefined;
  }

  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#watch.update(pollFor.input);
  }

  /** A connection has ended. */
  released(): void {
    this.#open--;
    this.#resume();
  }

  [Symbol.dispose](): void {
    this.#paused = false;
    this.#watch[Symbol.dispose]();
    closeSync(this.#fd);
  }
}
