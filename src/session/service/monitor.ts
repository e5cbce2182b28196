// SPDX-License-Identifier: Apache-2.0
import { closeSync } from "node:fs";
import { DowelError } from "../../base/errors.ts";
import type { EventLoop, Watch } from "../../loop/loop.ts";
import type { ServedSocket } from "../../metadata/permissions/names.ts";
import { pollFor } from "../../sys/epoll.ts";
import { closeDescriptors, FixedBuffer, receive, transmit, wouldBlock } from "../../sys/transfer.ts";
import { busBits } from "./handover.ts";

type Waiting = (connection: number | DowelError) => void;

const buffer = new FixedBuffer(16);

/**
 * An instance's monitor, which opens connections to the buses: the portals look at the process that called connect(2).
 * Owns both descriptors.
 */
export class Monitor implements Disposable {
  readonly #control: number;
  readonly #pidfd: number;
  readonly #watches: readonly Watch[];
  readonly #ended: () => void;
  #waiting: Waiting[] = [];
  #closed = false;

  /** @param ended called once, when the monitor has gone or says something that makes no sense */
  constructor(loop: EventLoop, control: number, pidfd: number, ended: () => void) {
    this.#control = control;
    this.#pidfd = pidfd;
    this.#ended = ended;
    this.#watches = [
      loop.watch(control, pollFor.input, () => this.#read()),
      loop.watch(pidfd, pollFor.input, () => this.#end()),
    ];
  }

  /** Asks for a connection to a bus. */
  connect(bus: ServedSocket, then: Waiting): void {
    buffer.bytes[0] = busBits[bus];
    const sent = this.#closed ? -1 : transmit(this.#control, buffer.address, 1, []);
    if (sent === 1) this.#waiting.push(then);
    else then(new DowelError("BUS_UNREACHABLE", "The monitor of the sandbox takes no requests"));
  }

  #read(): void {
    const descriptors: number[] = [];
    const count = receive(this.#control, buffer.address, buffer.bytes.length, descriptors);
    if (count === wouldBlock) return;
    const then = count === 1 && descriptors.length < 2 ? this.#waiting.shift() : undefined;
    const [connection] = descriptors;
    if (then === undefined) {
      closeDescriptors(descriptors);
      this.#end();
    } else {
      then(connection ?? new DowelError("BUS_UNREACHABLE", "The monitor of the sandbox cannot connect to the bus"));
    }
  }

  #end(): void {
    if (!this.#closed) this.#ended();
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const watch of this.#watches) watch[Symbol.dispose]();
    closeSync(this.#control);
    closeSync(this.#pidfd);
    const gone = new DowelError("BUS_UNREACHABLE", "The sandbox has ended");
    for (const then of this.#waiting.splice(0)) then(gone);
  }
}
