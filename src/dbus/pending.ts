// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";
import type { EventLoop } from "../loop/loop.ts";
import { BusCallError, busErrors } from "./errors.ts";
import type { Message } from "./message.ts";

interface Waiting {
  readonly what: string;
  readonly resolve: (message: Message) => void;
  readonly reject: (error: DowelError) => void;
}

/** Calls that were made and not answered yet, by serial. */
export class Pending {
  readonly #loop: EventLoop;
  readonly #waiting = new Map<number, Waiting>();

  constructor(loop: EventLoop) {
    this.#loop = loop;
  }

  /** The answer, whose descriptors belong to who waits. @param what names the call in errors */
  async wait(serial: number, what: string, milliseconds: number, signal: AbortSignal | undefined): Promise<Message> {
    const { promise, resolve, reject } = Promise.withResolvers<Message>();
    this.#waiting.set(serial, { what, resolve, reject });
    const aborted = (): void =>
      this.#fail(serial, new DowelError("ABORTED", "The operation was cancelled", { cause: signal?.reason }));
    signal?.addEventListener("abort", aborted);
    using _timer = Number.isFinite(milliseconds)
      ? this.#loop.after(milliseconds, () =>
          this.#fail(serial, new BusCallError(busErrors.noReply, `${what} was not answered in ${milliseconds} ms`)),
        )
      : undefined;
    try {
      return await promise;
    } finally {
      signal?.removeEventListener("abort", aborted);
    }
  }

  /** Whether somebody waited for this answer. */
  settle(message: Message): boolean {
    const waiting = this.#waiting.get(message.replySerial);
    this.#waiting.delete(message.replySerial);
    waiting?.resolve(message);
    return waiting !== undefined;
  }

  #fail(serial: number, error: DowelError): void {
    const waiting = this.#waiting.get(serial);
    this.#waiting.delete(serial);
    this.#loop.yield();
    waiting?.reject(error);
  }

  failAll(): void {
    for (const [serial, { what }] of [...this.#waiting]) {
      this.#fail(serial, new BusCallError(busErrors.disconnected, `The connection ended before ${what} was answered`));
    }
  }
}
