// SPDX-License-Identifier: Apache-2.0
import { setImmediate } from "node:timers/promises";
import { Epoll } from "../../sys/epoll.ts";
import { releaseMemory } from "../../sys/memory.ts";

/** A signal that comes between the last look and the wait is seen this late. */
const longestWait = 2000;
/** Waits in which nothing happened before memory is given back. */
const waitsBeforeRelease = 3;
/** Turns without a pause before the engine may run its own events. */
const turnsBetweenPauses = 4096;

export interface Watch extends Disposable {
  /** Changes what is waited for. */
  update(mask: number): void;
}

/**
 * Waits for descriptors in the main thread: the engine's own loop cannot watch foreign descriptors, and a second thread
 * would cost a switch for each message. What the engine has to do (signals) it does in pauses.
 */
export class EventLoop implements Disposable {
  readonly #epoll = new Epoll();
  readonly #handlers = new Map<number, (mask: number) => void>();
  #lastId = 0;
  #stopped = false;
  #retries: (() => void)[] = [];
  /** Told, in steps of some seconds, for how many milliseconds nothing has happened. */
  onQuiet: ((milliseconds: number) => void) | undefined;

  /** Calls a function with the events of a descriptor, which stays its caller's. */
  watch(fd: number, mask: number, handler: (mask: number) => void): Watch {
    // An id is not used again while an old event of it could be on its way.
    this.#lastId = (this.#lastId + 1) >>> 0;
    const id = this.#lastId;
    this.#epoll.add(fd, id, mask);
    this.#handlers.set(id, handler);
    return {
      update: (changed) => this.#epoll.modify(fd, id, changed),
      [Symbol.dispose]: () => {
        if (this.#handlers.delete(id)) this.#epoll.remove(fd);
      },
    };
  }

  /** Calls a function once, at the next pause: soon, but not at once. */
  retry(action: () => void): void {
    this.#retries.push(action);
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Runs until `stop` or the signal. */
  async run(signal: AbortSignal): Promise<void> {
    let quiet = 0;
    for (let turn = 1; !this.#stopped && !signal.aborted; turn++) {
      const count = this.#epoll.wait(longestWait);
      quiet = count === 0 ? quiet + 1 : 0;
      if (quiet === waitsBeforeRelease) releaseMemory();
      if (quiet > 0) this.onQuiet?.(quiet * longestWait);
      for (let event = 0; event < count; event++) {
        this.#handlers.get(this.#epoll.idOf(event))?.(this.#epoll.maskOf(event));
      }
      if (count === 0 || turn % turnsBetweenPauses === 0) await this.#pause();
    }
  }

  async #pause(): Promise<void> {
    await setImmediate();
    for (const action of this.#retries.splice(0)) action();
  }

  [Symbol.dispose](): void {
    this.#epoll[Symbol.dispose]();
  }
}
