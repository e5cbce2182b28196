// SPDX-License-Identifier: Apache-2.0
import type { Result } from "../render/result.ts";
import { permissionTables } from "../session/permissions/files.ts";
import { permissionEntries, permissionEntry, withPermissionStore } from "../session/permissions/store.ts";
import type { Context } from "./context.ts";
import { defineCommand } from "./define.ts";
import { textArgument } from "./flags.ts";
import { type ListingFlags, listingFlags } from "./listing.ts";
import { permissionColumns, showPermissions } from "./permissiontable.ts";

async function run({ signal }: Context, flags: ListingFlags, table?: string, id?: string): Promise<Result> {
  const entries = await withPermissionStore(process.env, signal, async (store) => {
    if (table !== undefined && id !== undefined) return [await permissionEntry(store, table, id)];
    return await permissionEntries(store, table === undefined ? permissionTables(process.env) : [table]);
  });
  return showPermissions(entries, flags);
}

export default defineCommand<ListingFlags, string[]>({
  brief: "Show what apps may do through portals",
  description: "Asks the permission store of the session. TABLE is a portal's, ID what the permission is about.",
  columns: permissionColumns,
  examples: [
    ["permissions", "lists all tables"],
    ["permissions devices camera", "lists who may use the camera"],
    ["permissions --json", "prints all as JSON"],
  ],
  parameters: {
    flags: listingFlags,
    aliases: { j: "json" },
    positional: { kind: "array", parameter: textArgument("Table, then id", "TABLE [ID]"), maximum: 2 },
  },
  run,
});
