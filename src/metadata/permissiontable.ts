// SPDX-License-Identifier: Apache-2.0

import { DowelError } from "../base/errors.ts";
import { type Variant, valueAs, variant } from "../formats/dbus/types.ts";
import type { GvdbTable } from "../formats/gvdb/layout.ts";
import { readGvdb } from "../formats/gvdb/read.ts";
import { writeGvdb } from "../formats/gvdb/write.ts";

/** What a table has under one id. */
export interface TableEntry {
  readonly data: Variant;
  /** By app; "" is what holds for apps that are not named. */
  readonly apps: ReadonlyMap<string, readonly string[]>;
}

/** A table by ids. */
export type PermissionTable = ReadonlyMap<string, TableEntry>;

const entryType = "(va{sas})";

/** What the store keeps where nobody says anything: a byte of zero. */
export const noData: Variant = variant("y", 0);

function sorted<V>(map: ReadonlyMap<string, V>): [string, V][] {
  return [...map].sort(([left], [right]) => Buffer.compare(Buffer.from(left), Buffer.from(right)));
}

/**
 * Reads a table as the permission store keeps it on disk: GVDB with `main`, entries by id, and `apps`, ids by app, which
 * only repeats what `main` says. Throws `GVDB_INVALID`, `GVARIANT_INVALID` or, where it is no such table,
 * `PERMISSION_INVALID`.
 */
export function readTable(bytes: Uint8Array): PermissionTable {
  const main = readGvdb(bytes).get("main");
  if (!(main instanceof Map)) throw new DowelError("PERMISSION_INVALID", "The file has no table 'main'");
  const table = new Map<string, TableEntry>();
  for (const [id, found] of main as GvdbTable<Variant>) {
    const entry = found instanceof Map ? undefined : valueAs(entryType, found as Variant);
    if (entry === undefined) {
      throw new DowelError("PERMISSION_INVALID", `main/${id}: there must be a value of type '${entryType}'`);
    }
    const [data, apps] = entry;
    table.set(id, { data, apps });
  }
  return table;
}

/** The bytes of a table, as the permission store reads them. */
export function writeTable(table: PermissionTable): Uint8Array {
  const idsByApp = new Map<string, string[]>();
  const main = new Map<string, Variant>();
  for (const [id, { data, apps }] of sorted(table)) {
    main.set(id, variant(entryType, [data, new Map(sorted(apps))]));
    for (const app of apps.keys()) idsByApp.set(app, [...(idsByApp.get(app) ?? []), id]);
  }
  const apps = new Map(sorted(idsByApp).map(([app, ids]) => [app, variant("as", ids)]));
  return writeGvdb(
    new Map<string, GvdbTable<Variant>>([
      ["main", main],
      ["apps", apps],
    ]),
  );
}
