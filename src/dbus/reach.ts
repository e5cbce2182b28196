// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";
import { parseBusAddress } from "../formats/dbus/address.ts";
import { EventLoop } from "../loop/loop.ts";
import { BusPeer } from "./peer.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Where the machine's bus listens. */
export function systemBusAddress(environment: Environment = process.env): string {
  return environment["DBUS_SYSTEM_BUS_ADDRESS"] || "unix:path=/run/dbus/system_bus_socket";
}

/** Where the user's bus listens. Throws `BUS_UNREACHABLE` where nothing says so. */
export function sessionBusAddress(environment: Environment = process.env): string {
  const runtime = environment["XDG_RUNTIME_DIR"];
  const address = environment["DBUS_SESSION_BUS_ADDRESS"] || (runtime && `unix:path=${runtime}/bus`);
  if (address) return address;
  throw new DowelError("BUS_UNREACHABLE", "There is no session bus", {
    hint: "Set DBUS_SESSION_BUS_ADDRESS, or run this in a session.",
  });
}

/** Connects to a bus for some calls, and ends with them. Throws `BUS_UNREACHABLE`, `DBUS_INVALID` and what `work` throws. */
export async function withBus<T>(
  address: string,
  work: (peer: BusPeer, loop: EventLoop) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  using loop = new EventLoop();
  const connected = async (): Promise<T> => {
    using peer = await BusPeer.connect(loop, parseBusAddress(address), {}, signal);
    return await work(peer, loop);
  };
  return await loop.runUntil(connected(), signal);
}
