// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { type Consumer, Endpoint } from "../../loop/endpoint.ts";
import type { EventLoop } from "../../loop/loop.ts";
import { closeDescriptors } from "../../sys/transfer.ts";
import type { Traffic } from "../bus/stream.ts";
import { PipewireFilter } from "./filter.ts";
import type { PipewireServer } from "./server.ts";
import { PipewireStream } from "./stream.ts";
import type { Granted, View } from "./view.ts";

export interface PipewireOptions {
  readonly view: View;
  readonly server: PipewireServer;
  /** What the app may hear and see now. */
  readonly granted: () => Promise<Granted>;
  readonly traffic: Traffic;
  /** Told once, with the reason where it is not that an end closed its connection. */
  readonly ended: (reason?: unknown) => void;
}

type Direction = "client" | "server";

/** What is not allowed any more ends within this time. */
const lookMilliseconds = 1000;

/** A client of PipeWire that makes streams, sees what its view shows, and hears only what it may. */
export class PipewireLink implements Disposable {
  readonly #loop: EventLoop;
  readonly #options: PipewireOptions;
  readonly #filter: PipewireFilter;
  readonly #client: Endpoint;
  #server: Endpoint | undefined;
  /** What ends PipeWire's context when it is closed. */
  #context: number | undefined;
  readonly #toServer: PipewireStream;
  readonly #toClient: PipewireStream;
  readonly #use: Disposable;
  #refusals: Uint8Array[] = [];
  #timer: Disposable | undefined;
  #disposed = false;

  /** Owns the descriptor. */
  constructor(loop: EventLoop, clientFd: number, options: PipewireOptions) {
    this.#loop = loop;
    this.#options = options;
    this.#filter = new PipewireFilter(options.view, () => {
      options.traffic.denied++;
    });
    this.#use = options.server.use();
    options.traffic.connections++;
    this.#toServer = new PipewireStream((message) => this.#counted(this.#filter.fromClient(message)), {
      send: (...bytes) => this.#server?.send(...bytes),
      sendCopy: (bytes) => this.#server?.sendCopy(bytes),
    });
    const toClient = {
      send: this.#sendClient.bind(this),
      sendCopy: (bytes: Uint8Array) => this.#client.sendCopy(bytes),
    };
    this.#toClient = new PipewireStream((message) => this.#counted(this.#filter.fromServer(message)), toClient);
    this.#client = new Endpoint(loop, clientFd, this.#consumer("client", this.#toServer));
    this.#client.setReading(false);
  }

  #sendClient(...bytes: Parameters<Endpoint["send"]>): void {
    this.#client.send(...bytes);
  }

  #counted<V>(verdict: V): V {
    if (verdict !== "wait") this.#options.traffic.messages++;
    return verdict;
  }

  #consumer(direction: Direction, stream: PipewireStream): Consumer {
    return {
      consume: (buffer, start, end) => {
        try {
          const used = stream.consume(buffer, start, end);
          this.#options.traffic.bytes += used - start;
          if (stream.waiting) void this.#answer(direction);
          this.#settle();
          return used;
        } catch (error) {
          this.#end(error);
          return end;
        }
      },
      get need() {
        return stream.need;
      },
      descriptors: stream.descriptors,
      drained: () => this.#settle(),
      ended: () => this.#end(),
    };
  }

  /** Takes the connection that a function opens; where it throws, the link ends with its reason. */
  attachFrom(connect: () => number): void {
    try {
      const fd = connect();
      if (this.#disposed) closeDescriptors([fd]);
      else this.#server = new Endpoint(this.#loop, fd, this.#consumer("server", this.#toClient));
      this.#settle();
    } catch (error) {
      this.#end(error);
    }
  }

  /** Takes a connection that PipeWire knows to be an instance's; where it knows no such, `otherwise` is called. */
  async attachAs(app: string, instance: string, otherwise: () => void): Promise<void> {
    this.#loop.yield();
    try {
      const confined = await this.#options.server.connectAs(app, instance);
      if (confined !== undefined && this.#disposed) closeDescriptors([confined.fd, confined.context]);
      else if (confined !== undefined) {
        this.#context = confined.context;
        this.attachFrom(() => confined.fd);
      } else if (!this.#disposed) otherwise();
    } catch (error) {
      this.#end(error);
    }
  }

  /** Learns what a message waits for, and shows it again. */
  async #answer(direction: Direction): Promise<void> {
    try {
      await this.#learn(direction);
      if (this.#disposed) return;
      (direction === "client" ? this.#client : this.#server)?.offerHeld();
      this.#settle();
    } catch (error) {
      this.#end(error);
    }
  }

  async #learn(direction: Direction): Promise<void> {
    this.#loop.yield();
    const globals = await this.#options.server.look();
    const granted = await this.#options.granted();
    const heard = globals.heardSince(this.#filter.clientName);
    this.#filter.learn(direction, { granted, sinks: globals.sinks, heard });
    if (direction === "server") this.#timer ??= this.#loop.after(lookMilliseconds, () => void this.#look());
  }

  /** Ends the connection where it hears what it may not. */
  async #look(): Promise<void> {
    try {
      const granted = await this.#options.granted();
      const globals = await this.#options.server.look();
      if (this.#disposed) return;
      const forbidden = globals.heardNow(this.#filter.clientName).find((source) => !granted.has(source));
      if (forbidden !== undefined) throw new DowelError("SOUND_PROTOCOL", `The leave for the ${forbidden} has ended`);
      this.#timer = this.#loop.after(lookMilliseconds, () => void this.#look());
    } catch (error) {
      this.#end(error);
    }
  }

  #settle(): void {
    if (this.#disposed || this.#server === undefined) return;
    this.#refusals.push(...this.#filter.takeRefusals());
    while (this.#refusals.length > 0 && !this.#client.blocked) {
      this.#client.sendCopy(this.#refusals.shift() ?? new Uint8Array());
    }
    if (this.#refusals.length > limits.pipewireRefusals) {
      this.#end(new DowelError("SOUND_PROTOCOL", "A client does not read what it is refused"));
      return;
    }
    this.#server.setReading(!this.#client.blocked && !this.#toClient.waiting);
    this.#client.setReading(!this.#server.blocked && !this.#toServer.waiting);
  }

  #end(reason?: unknown): void {
    if (this.#disposed) return;
    this[Symbol.dispose]();
    this.#options.ended(reason);
  }

  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#options.traffic.connections--;
    this.#timer?.[Symbol.dispose]();
    this.#client[Symbol.dispose]();
    this.#server?.[Symbol.dispose]();
    if (this.#context !== undefined) closeDescriptors([this.#context]);
    this.#toServer[Symbol.dispose]();
    this.#toClient[Symbol.dispose]();
    this.#use[Symbol.dispose]();
  }
}
