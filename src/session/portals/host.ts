// SPDX-License-Identifier: Apache-2.0

import type { DocumentPortal } from "../documents/presence.ts";
import { type Leave, leaveFor } from "../guard/leave.ts";
import type { Source } from "../sound/pulse.ts";
import { callingApp } from "./app.ts";
import type { Backends } from "./backends.ts";
import { PortalConnection } from "./connection.ts";
import type { Desktop, DesktopInterfaces } from "./desktop.ts";
import { documentsPlace } from "./documents.ts";
import { desktopPortal, type Portal, type PortalServices } from "./portal.ts";

/** What there is besides the portals of the service. */
export interface HostOptions {
  /** The desktop's own portal; undefined: nobody looks for one. */
  readonly desktop?: Desktop;
  /** The session's document portal; undefined: nobody looks for one. */
  readonly documents?: DocumentPortal;
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
    // What follows waits for promises.
    this.#services.loop.yield();
    const { desktop, documents } = this.#options;
    if (desktop === undefined && documents === undefined) {
      this.#restrict(connection, undefined, false);
      queueMicrotask(ready);
      return connection;
    }
    Promise.all([desktop?.interfaces(), documents?.isThere() ?? false])
      .then(
        ([interfaces, hasDocuments]) => this.#restrict(connection, interfaces, hasDocuments),
        (error: unknown) => {
          this.#services.failed(error);
          this.#restrict(connection, "all", true);
        },
      )
      .finally(ready);
    return connection;
  }

  /** What an app may record; by default nothing. */
  leaveToRecord(app: string, instance: string): Leave<Source> {
    const { loop, decide, decisionsChanged } = this.#services;
    const caller = callingApp(this.#instances, app, instance);
    const may = async (source: Source) => (await decide(caller, "devices", source, "no")) === "yes";
    return leaveFor(loop, decisionsChanged, ["microphone", "monitor"], may);
  }

  #restrict(connection: PortalConnection, desktop: DesktopInterfaces, hasDocuments: boolean): void {
    const served = this.#options.backends?.().interfaces;
    const shared = [
      ...(desktop === undefined ? [] : [desktopPortal.busName]),
      ...(hasDocuments ? [documentsPlace.busName] : []),
    ];
    const isElsewhere = ({ interface: name }: Portal): boolean =>
      desktop !== undefined && (desktop === "all" || desktop.has(name));
    const isServed = (portal: Portal): boolean => {
      // Who keeps documents also shows them, so that is no matter of choice.
      if (portal.busName === documentsPlace.busName) return !hasDocuments;
      if (portal.busName !== desktopPortal.busName) return true;
      const by = served?.get(portal.interface) ?? "auto";
      return by === "auto" ? !isElsewhere(portal) : by === "dowel";
    };
    connection.restrict(this.#portals.filter(isServed), shared);
  }
}
