// SPDX-License-Identifier: Apache-2.0
import type { EventLoop } from "../../loop/loop.ts";
import type { LocalService } from "../bus/link.ts";
import { LocalNames } from "../bus/local.ts";
import { callingApp } from "./app.ts";
import { PortalConnection } from "./connection.ts";
import type { Decide } from "./decide.ts";
import { flatpakPortal } from "./flatpak.ts";
import type { Portal } from "./portal.ts";

const builtIn: readonly Portal[] = [flatpakPortal];

/** The portals that the service itself answers for, in place of whoever has their names on the bus. */
export class PortalHost {
  readonly #services: { readonly loop: EventLoop; readonly decide: Decide; readonly failed: (error: unknown) => void };
  readonly #instances: string;
  readonly #portals: readonly Portal[];
  readonly #names: LocalNames;

  /** @param instances folder of all instances of the user; @param portals those of the maker of a device come besides */
  constructor(
    loop: EventLoop,
    instances: string,
    decide: Decide,
    failed: (error: unknown) => void,
    portals: readonly Portal[] = builtIn,
  ) {
    this.#services = { loop, decide, failed };
    this.#instances = instances;
    this.#portals = portals;
    this.#names = new LocalNames([...new Set(portals.map(({ busName }) => busName))]);
  }

  /** The portals for one connection of an app. */
  connect(app: string, instance: string): LocalService {
    return new PortalConnection(this.#names, this.#portals, callingApp(this.#instances, app, instance), this.#services);
  }
}
