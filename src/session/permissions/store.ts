// SPDX-License-Identifier: Apache-2.0
import { isDowelError } from "../../base/errors.ts";
import { BusCallError } from "../../dbus/errors.ts";
import { BusPeer } from "../../dbus/peer.ts";
import { sessionBusAddress } from "../../dbus/reach.ts";
import { parseBusAddress } from "../../formats/dbus/address.ts";
import { EventLoop } from "../../loop/loop.ts";
import { tablesFolder } from "../../metadata/documents.ts";
import { BusPermissions, storeName } from "./bus.ts";
import { FilePermissions } from "./files.ts";
import { noSuchPermission, type Permissions, type StoredPermissions } from "./types.ts";

type Environment = Readonly<Record<string, string | undefined>>;

export const serviceUnknown = "org.freedesktop.DBus.Error.ServiceUnknown";

/** A connection to a bus that has a store, or starts one; undefined where there is none. */
async function connectToStore(
  loop: EventLoop,
  environment: Environment,
  signal: AbortSignal | undefined,
): Promise<BusPeer | undefined> {
  let peer: BusPeer;
  try {
    peer = await BusPeer.connect(loop, parseBusAddress(sessionBusAddress(environment)), {}, signal);
  } catch (error) {
    // Behind a bus that is said to be there a store could run, and write its files anew.
    const isSaid = (environment["DBUS_SESSION_BUS_ADDRESS"] ?? "") !== "";
    if (!isSaid && isDowelError(error, "BUS_UNREACHABLE")) return undefined;
    throw error;
  }
  try {
    const name = { signature: "s", values: [storeName], returns: "b" } as const;
    const [runs] = await peer.callBus("NameHasOwner", name, { signal });
    const start = { signature: "su", values: [storeName, 0], returns: "u" } as const;
    if (!runs) await peer.callBus("StartServiceByName", start, { signal });
    return peer;
  } catch (error) {
    peer[Symbol.dispose]();
    if (error instanceof BusCallError && error.errorName === serviceUnknown) return undefined;
    throw error;
  }
}

/**
 * Uses the store of the session, which the bus starts where it can; where there is no bus or no store, the files that a
 * store would keep. Throws `BUS_CALL_FAILED` where there is one that fails.
 */
export async function usePermissions<T>(
  loop: EventLoop,
  environment: Environment,
  signal: AbortSignal | undefined,
  use: (store: Permissions) => Promise<T>,
): Promise<T> {
  using peer = await connectToStore(loop, environment, signal);
  return await use(
    peer === undefined ? new FilePermissions(tablesFolder(environment), signal) : new BusPermissions(peer, signal),
  );
}

/** The same in a loop of its own. */
export async function withPermissionStore<T>(
  environment: Environment,
  signal: AbortSignal | undefined,
  use: (store: Permissions) => Promise<T>,
): Promise<T> {
  using loop = new EventLoop();
  return await loop.runUntil(usePermissions(loop, environment, signal, use), signal);
}

/** What a table has under one id. Throws `PERMISSION_NOT_FOUND`. */
export async function permissionEntry(store: Permissions, table: string, id: string): Promise<StoredPermissions> {
  const found = await store.lookup(table, id);
  if (found === undefined) throw noSuchPermission(table, id, undefined);
  return found;
}

/** What tables have. */
export async function permissionEntries(
  store: Permissions,
  tables: readonly string[],
): Promise<readonly StoredPermissions[]> {
  const found: StoredPermissions[] = [];
  for (const table of tables) {
    for (const id of await store.ids(table)) {
      const entry = await store.lookup(table, id);
      if (entry !== undefined) found.push(entry);
    }
  }
  return found;
}

/** Takes away everything that an app has in any table, or all that all apps have; answers how many entries changed. */
export async function resetPermissions(
  store: Permissions,
  tables: readonly string[],
  app: string | undefined,
): Promise<number> {
  let changed = 0;
  for (const { table, id, apps } of await permissionEntries(store, tables)) {
    for (const name of app === undefined ? apps.keys() : [app]) {
      if (!apps.has(name)) continue;
      await store.remove(table, id, name);
      changed++;
    }
  }
  return changed;
}
