// SPDX-License-Identifier: Apache-2.0
import { BusCallError } from "../../dbus/errors.ts";
import type { BusPeer } from "../../dbus/peer.ts";
import type { Variant } from "../../formats/dbus/types.ts";
import { checkTable, noSuchPermission, type Permissions, type StoredPermissions } from "./types.ts";

export const storeName = "org.freedesktop.impl.portal.PermissionStore";
const target = {
  destination: storeName,
  path: "/org/freedesktop/impl/portal/PermissionStore",
  interface: storeName,
} as const;

function isNotFound(error: unknown): boolean {
  return error instanceof BusCallError && error.errorName === "org.freedesktop.portal.Error.NotFound";
}

/** The permission store of the session, which the portals ask: `org.freedesktop.impl.portal.PermissionStore`, version 2. */
export class BusPermissions implements Permissions {
  readonly #peer: BusPeer;
  readonly #signal: AbortSignal | undefined;

  constructor(peer: BusPeer, signal: AbortSignal | undefined) {
    this.#peer = peer;
    this.#signal = signal;
  }

  async ids(table: string): Promise<readonly string[]> {
    checkTable(table);
    const call = { ...target, member: "List", signature: "s", values: [table], returns: "as" } as const;
    const [ids] = await this.#peer.call(call, { signal: this.#signal });
    return [...ids].sort();
  }

  async lookup(table: string, id: string): Promise<StoredPermissions | undefined> {
    checkTable(table);
    const call = { ...target, member: "Lookup", signature: "ss", values: [table, id], returns: "a{sas}v" } as const;
    try {
      const [apps, data] = await this.#peer.call(call, { signal: this.#signal });
      return { table, id, apps, data };
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  async set(table: string, id: string, app: string, permissions: readonly string[]): Promise<void> {
    checkTable(table);
    const values = [table, true, id, app, permissions];
    await this.#peer.call(
      { ...target, member: "SetPermission", signature: "sbssas", values },
      { signal: this.#signal },
    );
  }

  async setData(table: string, id: string, data: Variant): Promise<void> {
    checkTable(table);
    const values = [table, true, id, data];
    await this.#peer.call({ ...target, member: "SetValue", signature: "sbsv", values }, { signal: this.#signal });
  }

  async remove(table: string, id: string, app?: string): Promise<void> {
    checkTable(table);
    const call =
      app === undefined
        ? { ...target, member: "Delete", signature: "ss", values: [table, id] }
        : { ...target, member: "DeletePermission", signature: "sss", values: [table, id, app] };
    try {
      await this.#peer.call(call, { signal: this.#signal });
    } catch (cause) {
      if (!isNotFound(cause)) throw cause;
      throw noSuchPermission(table, id, app, cause);
    }
  }
}
