// SPDX-License-Identifier: Apache-2.0
import type { Consumer } from "../../loop/endpoint.ts";
import type { Traffic } from "./stream.ts";

export interface CountedOptions {
  readonly traffic: Traffic;
  /** Told once, with the reason where it is not that an end closed its connection. */
  readonly ended: (reason?: unknown) => void;
}

/** What links have in common, whatever passes: one is counted while it is open, and ends once, by whatever fails first. */
export abstract class CountedLink implements Disposable {
  readonly #traffic: Traffic;
  readonly #ended: (reason?: unknown) => void;
  #disposed = false;

  constructor({ traffic, ended }: CountedOptions) {
    this.#traffic = traffic;
    this.#ended = ended;
    traffic.connections++;
  }

  /** Reads from each end while the other one takes what comes. */
  protected abstract settle(): void;

  /** Closes what the link owns; called once. */
  protected abstract close(): void;

  protected get disposed(): boolean {
    return this.#disposed;
  }

  /** Counts what a consumer takes, and settles after it; where it throws, the link ends and nothing is offered again. */
  protected counted(consume: Consumer["consume"]): Consumer["consume"] {
    return (buffer, start, end) => {
      try {
        const used = consume(buffer, start, end);
        this.#traffic.bytes += used - start;
        this.settle();
        return used;
      } catch (error) {
        this.end(error);
        return end;
      }
    };
  }

  /** Does something that ends the link where it throws. */
  protected attempt(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.end(error);
    }
  }

  protected end(reason?: unknown): void {
    if (this.#disposed) return;
    this[Symbol.dispose]();
    this.#ended(reason);
  }

  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#traffic.connections--;
    this.close();
  }
}
