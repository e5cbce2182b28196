// SPDX-License-Identifier: Apache-2.0
import { closeSync, writeSync } from "node:fs";
import { errnoOf } from "../../base/errors.ts";
import { escapeForTerminal } from "../../base/text.ts";
import { Epoll, pollFor } from "../../sys/epoll.ts";

/** What a pipe takes without waiting once it takes anything (PIPE_BUF). */
const pieceBytes = 4096;

/** Lines for the terminal, pipe or file of who started an app. What is not taken at once is lost: nobody is waited for. */
export class LogSink implements Disposable {
  readonly #fd: number;
  readonly #epoll: Epoll | undefined;

  /** Owns the descriptor. */
  constructor(fd: number) {
    this.#fd = fd;
    const epoll = new Epoll();
    try {
      epoll.add(fd, 1, pollFor.output);
      this.#epoll = epoll;
    } catch (error) {
      epoll[Symbol.dispose]();
      // A regular file, which always takes what it is given.
      if (errnoOf(error) !== "EPERM") throw error;
    }
  }

  tell(lines: string): void {
    const bytes = Buffer.from(escapeForTerminal(lines, true)).subarray(0, pieceBytes);
    if (this.#epoll !== undefined && this.#epoll.wait(0) === 0) return;
    try {
      writeSync(this.#fd, bytes);
    } catch {
      // Who read it has gone.
      return;
    }
  }

  [Symbol.dispose](): void {
    this.#epoll?.[Symbol.dispose]();
    closeSync(this.#fd);
  }
}
