// SPDX-License-Identifier: Apache-2.0
import type { Source } from "../sound/pulse.ts";
import { callingApp } from "./app.ts";
import type { Backends } from "./backends.ts";
import { PortalConnection } from "./connection.ts";
import type { Desktop, DesktopInterfaces } from "./desktop.ts";
import { desktopPortal, type Portal, type PortalServices } from "./portal.ts";

/** What there is besides the portals of the service. */
export interface HostOptions {
  /** The desktop's own portal; undefined: nobody looks for one. */
  readonly desktop?: Desktop;
  readonly backends?: () => Backends;
}

/** The portals that the service itself answers for, in place of whoever has their names on the bus. */
export class PortalHost {
  readonly #services: PortalServices;
  readonly #instances: string;
  readonly #portals: readonly Portal[];
  readonly #options: HostOptions;

  /** @param instances folder of all instances of the user */
  constructor(services: PortalServices, instances: string, portals: readonly Portal[], options: HostOptions = {}) {
    this.#services = services;
    this.#instances = instances;
    this.#portals = portals;
    this.#options = options;
  }

  /** The portals for one connection of an app; it may talk when `ready` was called. */
  connect(app: string, instance: string, ready: () => void): PortalConnection {
    const connection = new PortalConnection(this.#portals, callingApp(this.#instances, app, instance), this.#services);
    const { desktop } = this.#options;
    // What follows waits for promises.
    this.#services.loop.yield();
    if (desktop === undefined) {
      this.#restrict(connection, undefined);
      queueMicrotask(ready);
      return connection;
    }
    desktop
      .interfaces()
      .then(
        (interfaces) => this.#restrict(connection, interfaces),
        (error: unknown) => {
          this.#services.failed(error);
          this.#restrict(connection, "all");
        },
      )
      .finally(ready);
    return connection;
  }

  /** Whether an app may record that; by default it may not. */
  async mayHear(app: string, instance: string, source: Source): Promise<boolean> {
    const caller = callingApp(this.#instances, app, instance);
    return (await this.#services.decide(caller, "devices", source, "no")) === "yes";
  }

  #restrict(connection: PortalConnection, desktop: DesktopInterfaces): void {
    const served = this.#options.backends?.().interfaces;
    const isServed = (portal: Portal): boolean => {
      if (portal.busName !== desktopPortal.busName) return true;
      const by = served?.get(portal.interface) ?? "auto";
      if (by === "auto") return desktop === undefined || (desktop !== "all" && !desktop.has(portal.interface));
      return by === "dowel";
    };
    const shared = desktop === undefined ? undefined : desktopPortal.busName;
    connection.restrict(this.#portals.filter(isServed), shared);
  }
}
