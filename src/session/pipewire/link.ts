// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import type { Output } from "../../loop/endpoint.ts";
import type { EventLoop } from "../../loop/loop.ts";
import { closeDescriptors } from "../../sys/transfer.ts";
import { type Direction, type Guard, GuardedLink, type GuardedOptions } from "../guard/link.ts";
import { PipewireFilter } from "./filter.ts";
import type { PipewireServer } from "./server.ts";
import { PipewireStream, type Verdict } from "./stream.ts";
import type { Source, View } from "./view.ts";

export interface PipewireOptions extends GuardedOptions<Source> {
  readonly view: View;
  readonly server: PipewireServer;
}

class PipewireGuard implements Guard {
  readonly streams: Readonly<Record<Direction, PipewireStream>>;
  readonly #options: PipewireOptions;
  readonly #filter: PipewireFilter;
  readonly #use: Disposable;
  hears = false;

  constructor(options: PipewireOptions, to: Readonly<Record<Direction, Output>>) {
    const { traffic } = options;
    this.#options = options;
    const filter = new PipewireFilter(options.view, () => {
      traffic.denied++;
    });
    const counted = (verdict: Verdict): Verdict => {
      if (verdict !== "wait") traffic.messages++;
      return verdict;
    };
    this.#filter = filter;
    this.#use = options.server.use();
    this.streams = {
      client: new PipewireStream((message) => counted(filter.fromClient(message)), to.server),
      server: new PipewireStream((message) => counted(filter.fromServer(message)), to.client),
    };
  }

  async learn(direction: Direction): Promise<void> {
    const { server, leave } = this.#options;
    const globals = await server.look();
    const granted = await leave.now();
    const heard = globals.heardSince(this.#filter.clientName);
    this.#filter.learn(direction, { granted, sinks: globals.sinks, heard });
    if (direction === "server") this.hears = true;
  }

  async look(): Promise<void> {
    const { server, leave } = this.#options;
    const granted = await leave.now();
    const globals = await server.look();
    const { clientName } = this.#filter;
    // What a client has seen of a camera it may keep, also without a link.
    const seen = globals.seenBy(clientName).map(() => "camera" as const);
    const forbidden = [...globals.heardNow(clientName), ...seen].find((source) => !granted.has(source));
    if (forbidden !== undefined) throw new DowelError("SOUND_PROTOCOL", `The leave for the ${forbidden} has ended`);
  }

  takeRefusals(): readonly Uint8Array[] {
    return this.#filter.takeRefusals();
  }

  [Symbol.dispose](): void {
    void this.#options.server.takeBack(this.#filter.clientName);
    this.#use[Symbol.dispose]();
  }
}

/** A client of PipeWire that makes streams, sees what its view shows, and hears only what it may. */
export class PipewireLink extends GuardedLink<Source> {
  readonly #server: PipewireServer;
  /** What ends PipeWire's context when it is closed. */
  #context: number | undefined;

  /** Owns the descriptor. */
  constructor(loop: EventLoop, clientFd: number, options: PipewireOptions) {
    super(loop, clientFd, options, (to) => new PipewireGuard(options, to));
    this.#server = options.server;
  }

  /** Takes a connection that PipeWire knows to be an instance's; where it knows no such, `otherwise` is called. */
  attachAs(app: string, instance: string, otherwise: () => void): Promise<void> {
    return this.await(async () => {
      const confined = await this.#server.connectAs(app, instance);
      if (confined !== undefined && this.disposed) closeDescriptors([confined.fd, confined.context]);
      else if (confined !== undefined) {
        this.#context = confined.context;
        this.attachFrom(() => confined.fd);
      } else if (!this.disposed) otherwise();
    });
  }

  override [Symbol.dispose](): void {
    super[Symbol.dispose]();
    if (this.#context !== undefined) closeDescriptors([this.#context]);
    this.#context = undefined;
  }
}
