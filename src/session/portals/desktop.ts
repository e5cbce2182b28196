// SPDX-License-Identifier: Apache-2.0
import { isDowelError } from "../../base/errors.ts";
import { BusCallError, busErrors } from "../../dbus/errors.ts";
import type { BusPeer } from "../../dbus/peer.ts";
import type { HostBuses } from "./buses.ts";
import { desktopPortal } from "./portal.ts";

/** A desktop that takes longer to start keeps all its portals. */
const introspectMilliseconds = 10_000;

/** What the portal of the desktop serves: its interfaces; `all` where it does not say; undefined where there is none. */
export type DesktopInterfaces = ReadonlySet<string> | "all" | undefined;

/** The installed xdg-desktop-portal of the session, if there is one. */
export class Desktop {
  readonly #buses: HostBuses;
  #known: { readonly interfaces: Promise<DesktopInterfaces> } | undefined;

  constructor(buses: HostBuses) {
    this.#buses = buses;
  }

  /** What it serves; asked once for each of its owners. */
  async interfaces(): Promise<DesktopInterfaces> {
    this.#known ??= { interfaces: this.#ask() };
    return await this.#known.interfaces;
  }

  async #ask(): Promise<DesktopInterfaces> {
    try {
      const peer = await this.#buses.connect("session");
      const forget = (): void => {
        this.#known = undefined;
      };
      await peer.watchOwner(desktopPortal.busName, forget);
      peer.ended.addEventListener("abort", forget);
      return (await isThere(peer)) ? await introspect(peer) : undefined;
    } catch (error) {
      this.#known = undefined;
      if (isDowelError(error)) return undefined;
      throw error;
    }
  }
}

async function isThere(peer: BusPeer): Promise<boolean> {
  if ((await peer.ownerOf(desktopPortal.busName)) !== "") return true;
  const [names] = await peer.callBus("ListActivatableNames", { returns: "as" });
  return names.includes(desktopPortal.busName);
}

async function introspect(peer: BusPeer): Promise<DesktopInterfaces> {
  const { busName: destination, path } = desktopPortal;
  const call = { destination, path, interface: "org.freedesktop.DBus.Introspectable", member: "Introspect" } as const;
  try {
    const [xml] = await peer.call({ ...call, returns: "s" }, { timeoutMilliseconds: introspectMilliseconds });
    return new Set([...xml.matchAll(/<interface name="([^"]+)"/g)].map(([, name = ""]) => name));
  } catch (error) {
    if (error instanceof BusCallError && error.errorName === busErrors.noReply) return "all";
    throw error;
  }
}
