// SPDX-License-Identifier: Apache-2.0
import { readdirSync } from "node:fs";
import { DowelError, errnoOf, fileError } from "../../base/errors.ts";
import { BusCallError } from "../../dbus/errors.ts";
import type { BusPeer } from "../../dbus/peer.ts";
import { sessionBusAddress, withBus } from "../../dbus/reach.ts";
import type { Variant } from "../../formats/dbus/types.ts";

const storeName = "org.freedesktop.impl.portal.PermissionStore";
const target = {
  destination: storeName,
  path: "/org/freedesktop/impl/portal/PermissionStore",
  interface: storeName,
} as const;

/** What one table has under one id. */
export interface StoredPermissions {
  readonly table: string;
  readonly id: string;
  /** By app; "" is what holds for apps that are not named. */
  readonly apps: ReadonlyMap<string, readonly string[]>;
  readonly data: Variant;
}

function isNotFound(error: unknown): boolean {
  return error instanceof BusCallError && error.errorName === "org.freedesktop.portal.Error.NotFound";
}

/** The permission store of the session, which the portals ask: `org.freedesktop.impl.portal.PermissionStore`, version 2. */
export class PermissionStore {
  readonly #peer: BusPeer;
  readonly #signal: AbortSignal | undefined;

  constructor(peer: BusPeer, signal: AbortSignal | undefined) {
    this.#peer = peer;
    this.#signal = signal;
  }

  /** Ids of a table, sorted; none where there is no such table. */
  async ids(table: string): Promise<readonly string[]> {
    const call = { ...target, member: "List", signature: "s", values: [table], returns: "as" } as const;
    const [ids] = await this.#peer.call(call, { signal: this.#signal });
    return [...ids].sort();
  }

  /** Undefined where the table has no such id. */
  async lookup(table: string, id: string): Promise<StoredPermissions | undefined> {
    const call = { ...target, member: "Lookup", signature: "ss", values: [table, id], returns: "a{sas}v" } as const;
    try {
      const [apps, data] = await this.#peer.call(call, { signal: this.#signal });
      return { table, id, apps, data };
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** Gives an app these permissions in place of those that it had. */
  async set(table: string, id: string, app: string, permissions: readonly string[]): Promise<void> {
    const values = [table, true, id, app, permissions];
    await this.#peer.call(
      { ...target, member: "SetPermission", signature: "sbssas", values },
      { signal: this.#signal },
    );
  }

  /** Removes what an app has, or the id with all apps. Throws `PERMISSION_NOT_FOUND`. */
  async remove(table: string, id: string, app?: string): Promise<void> {
    const call =
      app === undefined
        ? { ...target, member: "Delete", signature: "ss", values: [table, id] }
        : { ...target, member: "DeletePermission", signature: "sss", values: [table, id, app] };
    try {
      await this.#peer.call(call, { signal: this.#signal });
    } catch (cause) {
      if (!isNotFound(cause)) throw cause;
      const what = app === undefined ? id : `${id} for ${app}`;
      throw new DowelError("PERMISSION_NOT_FOUND", `The table ${table} has no ${what}`, { cause });
    }
  }

  /** What tables have: all ids of all tables, or of those that are named. */
  async entries(tables: readonly string[], wanted?: string): Promise<readonly StoredPermissions[]> {
    const found: StoredPermissions[] = [];
    for (const table of tables) {
      for (const id of wanted === undefined ? await this.ids(table) : [wanted]) {
        const entry = await this.lookup(table, id);
        if (entry !== undefined) found.push(entry);
      }
    }
    return found;
  }
}

/** Names of the tables, which are files that the store keeps in `$XDG_DATA_HOME/flatpak/db`. */
export function permissionTables(environment: Readonly<Record<string, string | undefined>>): readonly string[] {
  const data = environment["XDG_DATA_HOME"] || `${environment["HOME"] ?? ""}/.local/share`;
  const folder = `${data}/flatpak/db`;
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isFile() && !entry.name.startsWith("."))
      .map(({ name }) => name)
      .sort();
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw fileError(error, "read", folder);
  }
}

/** Connects to the session bus and uses the store there, which the bus starts where it can. Throws `BUS_UNREACHABLE`. */
export async function withPermissionStore<T>(
  environment: Readonly<Record<string, string | undefined>>,
  signal: AbortSignal | undefined,
  use: (store: PermissionStore) => Promise<T>,
): Promise<T> {
  return await withBus(sessionBusAddress(environment), (peer) => use(new PermissionStore(peer, signal)), signal);
}

/** Takes away everything that an app has in any table, or all that all apps have; answers how many entries changed. */
export async function resetPermissions(
  store: PermissionStore,
  tables: readonly string[],
  app: string | undefined,
): Promise<number> {
  let changed = 0;
  for (const { table, id, apps } of await store.entries(tables)) {
    for (const name of app === undefined ? apps.keys() : [app]) {
      if (!apps.has(name)) continue;
      await store.remove(table, id, name);
      changed++;
    }
  }
  return changed;
}
