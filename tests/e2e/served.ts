// SPDX-License-Identifier: Apache-2.0
import { Child } from "../support/bus.ts";
import { owned, type SystemBus, startSystemBus } from "../support/systembus.ts";
import { dowelPath, type Outcome, Sandpit } from "./support.ts";

/** A system's installation with its service on a system bus of its own, and users who ask it. */
export class Served implements AsyncDisposable {
  readonly bus: SystemBus;
  /** Root's; its system installation is the one that is served. */
  readonly host: Sandpit;
  readonly #users: Sandpit[] = [];
  #service: Child | undefined;

  private constructor(bus: SystemBus, host: Sandpit) {
    this.bus = bus;
    this.host = host;
  }

  /** `environment`: what the service and its users are told besides. */
  static async start(
    options: readonly string[] = [],
    environment: Readonly<Record<string, string>> = {},
  ): Promise<Served> {
    const bus = await startSystemBus();
    const served = new Served(bus, new Sandpit(0, { ...environment, DBUS_SYSTEM_BUS_ADDRESS: bus.address }));
    await served.startService(options);
    return served;
  }

  /** Starts the service, which has its name when this resolves. */
  async startService(options: readonly string[] = []): Promise<Child> {
    const words = [dowelPath, "system", "serve", ...options];
    this.#service = new Child(words, ["ignore", "ignore", "ignore"], this.host.environment);
    await owned(this.bus.socket, "org.dowel.System1", this.#service);
    return this.#service;
  }

  get service(): Child {
    if (this.#service === undefined) throw new Error("There is no service");
    return this.#service;
  }

  /** A user with a home, who means the same system installation and the same bus. */
  user(uid: number): Sandpit {
    const { HOME: _home, USER: _user, XDG_RUNTIME_DIR: _run, ...environment } = this.host.environment;
    const pit = new Sandpit(uid, environment);
    this.#users.push(pit);
    return pit;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#service?.[Symbol.asyncDispose]();
    for (const pit of this.#users) pit[Symbol.dispose]();
    this.host[Symbol.dispose]();
    await this.bus[Symbol.asyncDispose]();
  }
}

/**
 * What `--json` prints, without what depends on the hour and on chance: the order in which several downloads end, and which
 * of them brings what is in both.
 */
export function eventsOf({ stdout }: Outcome): readonly string[] {
  const lines = stdout.split("\n").filter((line) => line !== "" && !line.includes('"fetch.progress"'));
  return lines.map((line) => line.replace(/"newObjects":\d+/, "")).sort();
}
