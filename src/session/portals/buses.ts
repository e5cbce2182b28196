// SPDX-License-Identifier: Apache-2.0
import { BusPeer } from "../../dbus/peer.ts";
import { sessionBusAddress, systemBusAddress } from "../../dbus/reach.ts";
import { parseBusAddress } from "../../formats/dbus/address.ts";
import type { EventLoop } from "../../loop/loop.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

const addresses = { session: sessionBusAddress, system: systemBusAddress };

/** The service's own connections to the buses of the machine and of the user, each made when it is first needed. */
export class HostBuses implements Disposable {
  readonly #loop: EventLoop;
  readonly #environment: Environment;
  readonly #peers = new Map<"session" | "system", Promise<BusPeer>>();

  constructor(loop: EventLoop, environment: Environment) {
    this.#loop = loop;
    this.#environment = environment;
  }

  /** The open connection, or a new one. Throws `BUS_UNREACHABLE` or `BUS_CALL_FAILED`. */
  async connect(bus: "session" | "system"): Promise<BusPeer> {
    const known = this.#peers.get(bus);
    if (known !== undefined) return await known;
    const forget = (): void => void this.#peers.delete(bus);
    const peer = (async () =>
      await BusPeer.connect(this.#loop, parseBusAddress(addresses[bus](this.#environment)), { ended: forget }))();
    this.#peers.set(bus, peer);
    peer.catch(forget);
    return await peer;
  }

  [Symbol.dispose](): void {
    for (const peer of this.#peers.values()) {
      peer.then(
        (open) => open[Symbol.dispose](),
        () => undefined,
      );
    }
  }
}
