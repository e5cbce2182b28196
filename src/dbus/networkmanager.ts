// SPDX-License-Identifier: Apache-2.0
import { valueAs } from "../formats/dbus/types.ts";
import type { BusPeer } from "./peer.ts";

/** The name of NetworkManager on the system bus, and of its interface. */
export const networkManager = "org.freedesktop.NetworkManager";
export const networkManagerPath = "/org/freedesktop/NetworkManager";

/** What NetworkManager knows of the way out. */
export interface ManagedNetwork {
  /** NMConnectivityState: 0 unknown, 1 none, 2 captive portal, 3 limited, 4 full. */
  readonly connectivity: number;
  /** Undefined where it cannot say. */
  readonly metered: boolean | undefined;
}

/** NMMetered: 0 unknown, 1 yes, 2 no, 3 and 4 the same by guess. */
const meanings: readonly (boolean | undefined)[] = [undefined, true, false, true, false];

/** Asks NetworkManager, which is not started for that. Throws `BUS_CALL_FAILED` where it does not run. */
export async function askNetworkManager(peer: BusPeer, signal?: AbortSignal): Promise<ManagedNetwork> {
  const [all] = await peer.call(
    {
      ...{ destination: networkManager, path: networkManagerPath, interface: "org.freedesktop.DBus.Properties" },
      ...{ member: "GetAll", signature: "s", values: [networkManager], returns: "a{sv}" as const },
    },
    { noAutoStart: true, timeoutMilliseconds: 5000, signal },
  );
  const metered = meanings[valueAs("u", all.get("Metered")) ?? 0];
  return { connectivity: valueAs("u", all.get("Connectivity")) ?? 0, metered };
}
