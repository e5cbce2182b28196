// SPDX-License-Identifier: Apache-2.0
import { setImmediate, setTimeout } from "node:timers/promises";
import { Epoll, findEngineEpoll, pollFor } from "../sys/epoll.ts";
import { forgetCompiled, releaseFilePages, releaseGarbage } from "../sys/memory.ts";

/** A signal that comes between the last look and the wait is seen this late. */
const longestWait = 2000;
/** Nothing has happened for this long: memory is given back. */
const releaseAfter = 6000;
/** From then on it waits for half of the time that it has been quiet for, and at most so long: a look takes pages back. */
const longestQuietWait = 30_000;
/** Turns without a pause before the engine may run its own events. */
const turnsBetweenPauses = 4096;
/**
 * While the engine works on something, its own timers are looked at this often, and less often after so many looks at
 * which nothing had happened. What it gets from the kernel and from other threads wakes the loop.
 */
const lookMilliseconds = 2;
const looksInVain = 64;
const lullMilliseconds = 32;

/** Loops that run now; of two, neither may wait, as the other would wait with it. */
let running = 0;
/** The engine's own descriptor, once it has been looked for. */
let engine: { readonly fd: number | undefined } | undefined;

export interface Watch extends Disposable {
  /** Changes what is waited for. */
  update(mask: number): void;
}

interface Timer {
  readonly at: number;
  readonly action: () => void;
}

/**
 * Waits for descriptors in the main thread: the engine's own loop cannot watch foreign descriptors, and a second thread
 * would cost a switch for each message. What the engine has to do (signals) it does in pauses; promises that are settled
 * by descriptors need `yield`, and those that the engine settles (files, processes, its own timers) need `during`: as long
 * as it lasts, the descriptor by which the engine itself waits is watched, too.
 */
export class EventLoop implements Disposable {
  readonly #epoll = new Epoll();
  readonly #handlers = new Map<number, (mask: number) => void>();
  readonly #timers = new Set<Timer>();
  #lastId = 0;
  #stopped = false;
  #yields = false;
  #engineWorks = 0;
  #vain = 0;
  #engineWatch: Disposable | undefined;
  /** How often the engine had something to do while it was watched. */
  #stirs = 0;
  #quiet = 0;
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

  /** Calls a function once, when the time is over, unless it is disposed of before. */
  after(milliseconds: number, action: () => void): Disposable {
    const timer = { at: performance.now() + milliseconds, action };
    this.#timers.add(timer);
    return { [Symbol.dispose]: () => void this.#timers.delete(timer) };
  }

  /** A promise was settled: what waits for it runs before the next wait for descriptors. */
  yield(): void {
    this.#yields = true;
  }

  /** Lets the engine work until a promise is settled, which may wait for anything. Returns what the promise does. */
  async during<T>(work: Promise<T>): Promise<T> {
    this.#engineWorks++;
    this.#watchEngine();
    // What is settled already goes on before the loop waits.
    this.#yields = true;
    try {
      return await work;
    } finally {
      this.#engineWorks--;
      this.#leaveEngine();
    }
  }

  #watchEngine(): void {
    engine ??= { fd: findEngineEpoll() };
    this.#vain = 0;
    if (engine.fd === undefined || this.#engineWatch !== undefined) return;
    this.#engineWatch = this.watch(engine.fd, pollFor.input, () => void this.#stirs++);
  }

  #leaveEngine(): void {
    if (this.#engineWorks > 0 || this.#quiet >= releaseAfter) return;
    this.#engineWatch?.[Symbol.dispose]();
    this.#engineWatch = undefined;
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Runs until `stop` or the signal. */
  async run(signal: AbortSignal | undefined): Promise<void> {
    running++;
    try {
      await this.#run(signal);
    } finally {
      running--;
    }
  }

  async #run(signal: AbortSignal | undefined): Promise<void> {
    let active = performance.now();
    for (let turn = 1; !this.#stopped && signal?.aborted !== true; turn++) {
      this.#stirs = 0;
      const patience = this.#patience();
      // At the last moment, as whatever runs takes pages back.
      if (this.#quiet >= releaseAfter) releaseFilePages();
      const count = this.#epoll.wait(patience);
      for (let event = 0; event < count; event++) {
        this.#handlers.get(this.#epoll.idOf(event))?.(this.#epoll.maskOf(event));
      }
      this.#vain = count > 0 ? 0 : this.#vain + 1;
      const now = performance.now();
      if (this.#ring(now) || count > this.#stirs || this.#engineWorks > 0) {
        active = now;
        this.#quiet = 0;
        this.#leaveEngine();
      }
      if (this.#yields || this.#engineWorks > 0 || count === this.#stirs || turn % turnsBetweenPauses === 0) {
        await this.#pause(count);
      }
      if (now - active >= this.#quiet + longestWait) await this.#rest(now - active);
    }
  }

  /** Nothing has happened for so long. */
  async #rest(milliseconds: number): Promise<void> {
    const before = this.#quiet;
    this.#quiet = milliseconds;
    this.onQuiet?.(milliseconds);
    if (milliseconds < releaseAfter) return;
    this.#watchEngine();
    if (before >= releaseAfter) return;
    forgetCompiled();
    await setImmediate();
    releaseGarbage();
  }

  /** Runs until a promise is settled, and returns what it does. Throws the signal's reason where that fires first. */
  async runUntil<T>(work: Promise<T>, signal?: AbortSignal): Promise<T> {
    const ended = this.during(work).finally(() => this.stop());
    ended.catch(() => undefined);
    await this.run(signal);
    this.#stopped = false;
    signal?.throwIfAborted();
    return await ended;
  }

  get #hearsEngine(): boolean {
    return this.#engineWatch !== undefined && running === 1;
  }

  /** Where the engine wakes the loop, a signal does. */
  get #longestWait(): number {
    const long = this.#quiet >= releaseAfter && this.#hearsEngine;
    return long ? Math.min(longestQuietWait, this.#quiet / 2) : longestWait;
  }

  /** How long to wait for descriptors, in milliseconds. */
  #patience(): number {
    if (this.#yields || (this.#engineWorks > 0 && !this.#hearsEngine)) return 0;
    const look = this.#vain < looksInVain ? lookMilliseconds : lullMilliseconds;
    const longest = this.#engineWorks > 0 ? look : this.#longestWait;
    if (this.#timers.size === 0) return longest;
    let first = Number.POSITIVE_INFINITY;
    for (const { at } of this.#timers) first = Math.min(first, at);
    return Math.min(longest, Math.max(0, Math.ceil(first - performance.now())));
  }

  /** Whether a timer was due. */
  #ring(now: number): boolean {
    if (this.#timers.size === 0) return false;
    const due = [...this.#timers].filter(({ at }) => at <= now);
    for (const timer of due) if (this.#timers.delete(timer)) timer.action();
    if (due.length > 0) this.yield();
    return due.length > 0;
  }

  async #pause(count: number): Promise<void> {
    this.#yields = false;
    const looks = this.#engineWorks > 0 && count === 0 && !this.#hearsEngine;
    await (looks ? setTimeout(lookMilliseconds) : setImmediate());
    for (const action of this.#retries.splice(0)) action();
  }

  [Symbol.dispose](): void {
    this.#epoll[Symbol.dispose]();
  }
}
