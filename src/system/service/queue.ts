// SPDX-License-Identifier: Apache-2.0
import { checkCancelled } from "../../base/errors.ts";

/** Lets one piece of work at a time through for each key, in the order of their coming. */
export class Queue {
  readonly #last = new Map<string, Promise<void>>();

  /**
   * Runs a piece of work when all before it with the same key have ended. One whose signal fires while it waits is not
   * begun; it throws `ABORTED`, and those behind it go on waiting for those before it.
   */
  async run<T>(key: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key) ?? Promise.resolve();
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    const mine = before.then(() => ended);
    this.#last.set(key, mine);
    try {
      await Promise.race([before, aborted(signal)]);
      checkCancelled(signal);
      return await work();
    } finally {
      end();
      if (this.#last.get(key) === mine) this.#last.delete(key);
    }
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
