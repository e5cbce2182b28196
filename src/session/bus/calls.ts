// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import type { Answer } from "./answers.ts";

/** What to do with the reply to a call. */
export type Expected =
  | { readonly kind: "plain" }
  /** Only this peer, or the bus in its place, may answer. */
  | { readonly kind: "from"; readonly peer: string }
  | { readonly kind: "names" }
  /** A ping in place of a call that is answered otherwise. */
  | { readonly kind: "answer"; readonly answer: Answer }
  /** Calls of the gateway's own. */
  | { readonly kind: "owner"; readonly name: string }
  | { readonly kind: "owners" };

export const plain: Expected = { kind: "plain" };
export const names: Expected = { kind: "names" };

/** Calls on their way from the client to the bus, by serial. Each reply is taken once. */
export class CallsToBus {
  readonly #expected = new Map<number, Expected>();
  #next: number;

  /** @param first where the gateway's own serials start, from 1 to 2^32 - 1; at random, so that gateways can be nested */
  constructor(first: number) {
    this.#next = first;
  }

  /** A serial used again before the reply has come could give one call the treatment of another. Throws `DBUS_INVALID`. */
  add(serial: number, expected: Expected): void {
    if (this.#expected.has(serial)) {
      throw new DowelError("DBUS_INVALID", `The client uses serial ${serial} again, which must wait for its reply`);
    }
    if (this.#expected.size >= limits.busCallsOutstanding) {
      throw new DowelError(
        "LIMIT_EXCEEDED",
        `The client has more than ${limits.busCallsOutstanding} calls without a reply`,
      );
    }
    this.#expected.set(serial, expected);
  }

  /** A serial that no open call has. */
  freeSerial(): number {
    do this.#next = this.#next >= 0xffff_ffff ? 1 : this.#next + 1;
    while (this.#expected.has(this.#next));
    return this.#next;
  }

  /** The serial for a call of the gateway's own. */
  addOwn(expected: Expected): number {
    const serial = this.freeSerial();
    this.#expected.set(serial, expected);
    return serial;
  }

  /** What is expected for a serial; undefined where nobody asked, or another peer than this one was asked. */
  take(serial: number, sender: string, bus: string): Expected | undefined {
    const expected = this.#expected.get(serial);
    if (expected?.kind === "from" && sender !== expected.peer && sender !== bus) return undefined;
    this.#expected.delete(serial);
    return expected;
  }
}

/** Calls that peers made to the client, by peer and serial: two peers may use the same serial. */
export class CallsToClient {
  readonly #open = new Set<string>();

  /** The oldest is forgotten where there are too many: peers must not fill the memory. */
  add(sender: string, serial: number): void {
    this.#open.add(`${sender} ${serial}`);
    if (this.#open.size <= limits.busCallsOutstanding) return;
    for (const oldest of this.#open) {
      this.#open.delete(oldest);
      return;
    }
  }

  take(sender: string, serial: number): boolean {
    return this.#open.delete(`${sender} ${serial}`);
  }
}
