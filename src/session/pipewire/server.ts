// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, rmSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { DowelError } from "../../base/errors.ts";
import type { EventLoop } from "../../loop/loop.ts";
import { connectUnix, listenUnix, socketPair } from "../../sys/sockets.ts";
import { closeDescriptors, duplicateDescriptor } from "../../sys/transfer.ts";
import type { Environment } from "../portals/buses.ts";
import { PipewireClient } from "./client.ts";
import type { ClientName, Globals } from "./globals.ts";

/** How often is asked whether a client has gone whose connection is closed; PipeWire notices between two answers. */
const leavingRounds = 100;

/** A connection, and what ends its context when it is closed; both are the caller's to close. */
interface ConfinedConnection {
  readonly fd: number;
  readonly context: number;
}

/** PipeWire of this session, and the service's own connection to it, which there is while somebody asks. */
export class PipewireServer implements Disposable {
  readonly #loop: EventLoop;
  readonly #path: string | undefined;
  readonly #folder: string;
  #contexts = 0;
  #client: PipewireClient | undefined;
  #users = 0;

  /** @param runFolder where sockets of a moment are made, which others cannot enter */
  constructor(loop: EventLoop, environment: Environment, runFolder: string) {
    this.#loop = loop;
    this.#folder = runFolder;
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

  /**
   * A connection that PipeWire knows to be an instance's, whatever is said on it (security contexts, PipeWire 1.2);
   * undefined where PipeWire has none. Throws `BUS_UNREACHABLE`.
   */
  async connectAs(app: string, instance: string): Promise<ConfinedConnection | undefined> {
    const path = join(this.#folder, `pipewire.${process.pid}.${this.#contexts++}`);
    const properties = new Map([
      ["pipewire.sec.engine", "org.flatpak"],
      ["pipewire.sec.app-id", app],
      ["pipewire.sec.instance-id", instance],
      // By this session managers give permissions; for connections of the service itself PipeWire finds nothing.
      ["pipewire.access", "flatpak"],
      ["pipewire.access.portal.app_id", app],
    ]);
    using _use = this.use();
    using held = new DisposableStack();
    const hold = (fd: number): number => held.adopt(fd, (one) => closeDescriptors([one]));
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    rmSync(path, { force: true });
    const listener = hold(listenUnix({ path }));
    const [own, given] = socketPair("stream").map(hold);
    let fd: number;
    try {
      fd = hold(connectUnix({ path }));
    } finally {
      rmSync(path, { force: true });
    }
    if (!(await this.client.confine(listener, given ?? -1, properties))) return undefined;
    return { fd: duplicateDescriptor(fd), context: duplicateDescriptor(own ?? -1) };
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

  /**
   * Has the cameras take other memory that a client has seen, whose connection ends: what it keeps of theirs shows it
   * nothing more.
   */
  async takeBack(name: ClientName): Promise<void> {
    const client = this.#client;
    const cameras = client?.globals.seenBy(name) ?? [];
    if (client === undefined || cameras.length === 0) return;
    using _use = this.use();
    try {
      // While PipeWire has not seen its end, the client would be given the other memory as well.
      for (let round = 0; round < leavingRounds && client.globals.has(name); round++) await client.sync();
      client.suspend(cameras);
      await client.sync();
    } catch {
      // Without PipeWire there is nothing to see.
    }
  }

  [Symbol.dispose](): void {
    this.#client?.[Symbol.dispose]();
    this.#client = undefined;
  }
}
