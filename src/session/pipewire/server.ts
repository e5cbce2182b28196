// SPDX-License-Identifier: Apache-2.0
import { isAbsolute, join } from "node:path";
import { DowelError } from "../../base/errors.ts";
import type { EventLoop } from "../../loop/loop.ts";
import { connectUnix } from "../../sys/sockets.ts";
import type { Environment } from "../portals/buses.ts";
import { PipewireClient } from "./client.ts";
import type { Globals } from "./globals.ts";

/** PipeWire of this session, and the service's own connection to it, which there is while somebody asks. */
export class PipewireServer implements Disposable {
  readonly #loop: EventLoop;
  readonly #path: string | undefined;
  #client: PipewireClient | undefined;
  #users = 0;

  constructor(loop: EventLoop, environment: Environment) {
    this.#loop = loop;
    const folder = environment["PIPEWIRE_RUNTIME_DIR"] || environment["XDG_RUNTIME_DIR"];
    const name = environment["PIPEWIRE_REMOTE"] || "pipewire-0";
    this.#path = isAbsolute(name) ? name : folder && join(folder, name);
  }

  /** A connection of the service itself, on which nothing was said yet. Throws `BUS_UNREACHABLE`. */
  connect(): number {
    if (this.#path === undefined) throw new DowelError("BUS_UNREACHABLE", "This session has no runtime folder");
    try {
      return connectUnix({ path: this.#path });
    } catch (cause) {
      throw new DowelError("BUS_UNREACHABLE", `No PipeWire listens at ${this.#path}`, { cause });
    }
  }

  /** The connection that sees everything, where PipeWire has another socket for those than for apps. */
  #open(): PipewireClient {
    const ended = (): void => {
      this.#client = undefined;
    };
    let fd: number;
    try {
      fd = connectUnix({ path: `${this.#path}-manager` });
    } catch {
      fd = this.connect();
    }
    return new PipewireClient(this.#loop, fd, ended);
  }

  /** Keeps the connection from now on until it is disposed of. */
  use(): Disposable {
    this.#users++;
    let used = true;
    return {
      [Symbol.dispose]: () => {
        if (used && --this.#users === 0) this[Symbol.dispose]();
        used = false;
      },
    };
  }

  /** The service's own connection. Throws `BUS_UNREACHABLE`. */
  get client(): PipewireClient {
    this.#client ??= this.#open();
    return this.#client;
  }

  /** All that there is now. Throws `BUS_UNREACHABLE`. */
  async look(): Promise<Globals> {
    using _use = this.use();
    const { client } = this;
    await client.sync();
    return client.globals;
  }

  [Symbol.dispose](): void {
    this.#client?.[Symbol.dispose]();
    this.#client = undefined;
  }
}
