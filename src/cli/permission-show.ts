// SPDX-License-Identifier: Apache-2.0
import type { Result } from "../render/result.ts";
import { permissionTables } from "../session/permissions/files.ts";
import { permissionEntries, withPermissionStore } from "../session/permissions/store.ts";
import type { Context } from "./context.ts";
import { defineCommand } from "./define.ts";
import { textArgument } from "./flags.ts";
import { type ListingFlags, listingFlags } from "./listing.ts";
import { permissionColumns, showPermissions } from "./permissiontable.ts";

async function run({ signal }: Context, flags: ListingFlags, app: string): Promise<Result> {
  const tables = permissionTables(process.env);
  const entries = await withPermissionStore(process.env, signal, (store) => permissionEntries(store, tables));
  return showPermissions(entries, flags, app);
}

export default defineCommand<ListingFlags, [string]>({
  brief: "Show what one app may do through portals",
  columns: permissionColumns,
  examples: [
    ["permission-show org.example.App", "lists what the permission store has of the app"],
    ["permission-show --json org.example.App", "prints it as JSON"],
  ],
  parameters: {
    flags: listingFlags,
    aliases: { j: "json" },
    positional: { kind: "tuple", parameters: [textArgument("Id of the app", "APP")] },
  },
  run,
});
