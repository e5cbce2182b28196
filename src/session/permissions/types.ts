// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import type { Variant } from "../../formats/dbus/types.ts";

/** What one table has under one id. */
export interface StoredPermissions {
  readonly table: string;
  readonly id: string;
  /** By app; "" is what holds for apps that are not named. */
  readonly apps: ReadonlyMap<string, readonly string[]>;
  readonly data: Variant;
}

/** What portals keep of what apps may do: the store that runs, or its files. */
export interface Permissions {
  /** Ids of a table, sorted; none where there is no such table. */
  ids(table: string): Promise<readonly string[]>;
  /** Undefined where the table has no such id. */
  lookup(table: string, id: string): Promise<StoredPermissions | undefined>;
  /** Gives an app these permissions in place of those that it had. */
  set(table: string, id: string, app: string, permissions: readonly string[]): Promise<void>;
  /** Keeps a value with an id. */
  setData(table: string, id: string, data: Variant): Promise<void>;
  /** Removes what an app has, or the id with all apps. Throws `PERMISSION_NOT_FOUND`. */
  remove(table: string, id: string, app?: string): Promise<void>;
}

export function noSuchPermission(table: string, id: string, app: string | undefined, cause?: unknown): DowelError {
  const what = app === undefined ? id : `${id} for ${app}`;
  return new DowelError("PERMISSION_NOT_FOUND", `The table ${table} has no ${what}`, { cause });
}

/** The name of a file in the store's folder; stores do not check it themselves. Throws `PERMISSION_INVALID`. */
export function checkTable(table: string): void {
  if (/^[^./\0][^/\0]*$/.test(table)) return;
  throw new DowelError("PERMISSION_INVALID", `${JSON.stringify(table)} is no name of a table`);
}
