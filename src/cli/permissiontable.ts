// SPDX-License-Identifier: Apache-2.0
import { formatVariant } from "../formats/dbus/format.ts";
import type { Result } from "../render/result.ts";
import type { Column, Row } from "../render/table.ts";
import type { StoredPermissions } from "../session/permissions/types.ts";
import { type ListingFlags, listing } from "./listing.ts";

export const permissionColumns: readonly Column[] = [
  { name: "table", title: "Table", shownByDefault: true, description: "Table of a portal" },
  { name: "object", title: "Object", shownByDefault: true, description: "What the permission is about" },
  { name: "app", title: "App", shownByDefault: true, description: "Id of the app" },
  { name: "permissions", title: "Permissions", shownByDefault: true, description: "What the app may do" },
  { name: "data", title: "Data", shownByDefault: true, description: "What the portal keeps besides" },
];

/** A line for each app of each entry; entries that name no app get one too, unless one app is asked for. */
export function showPermissions(entries: readonly StoredPermissions[], flags: ListingFlags, app?: string): Result {
  const rows = entries.flatMap(({ table, id, apps, data }): Row[] => {
    const entry = { table, object: id, data: formatVariant(data) };
    if (apps.size === 0 && app === undefined) return [{ ...entry, app: "", permissions: "" }];
    return [...apps]
      .filter(([name]) => app === undefined || name === app)
      .map(([name, permissions]) => ({ ...entry, app: name, permissions: permissions.join(",") }));
  });
  return listing(permissionColumns, rows, flags, "Nothing is stored");
}
