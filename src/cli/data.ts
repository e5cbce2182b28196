// SPDX-License-Identifier: Apache-2.0
import { describeSizes } from "../engine/data/describe.ts";
import type { Result } from "../render/result.ts";
import { formatSize } from "../render/size.ts";
import type { Column } from "../render/table.ts";
import type { Context } from "./context.ts";
import { defineCommand } from "./define.ts";
import { optionalArgument } from "./flags.ts";
import { type ListingFlags, listing, listingFlags } from "./listing.ts";

function size(name: string, title: string, description: string): Column {
  return { name, title, shownByDefault: true, description, format: (value) => formatSize(Number(value)) };
}

const columns: readonly Column[] = [
  { name: "application", title: "Application", shownByDefault: true, description: "Id of the app" },
  { name: "profile", title: "Profile", shownByDefault: true, description: "Name of the set of data" },
  size("total", "Total", "All that is kept"),
  size("cache", "Cache", "What the app can make anew"),
  size("config", "Config", "Settings"),
  size("data", "Data", "Data"),
  size("other", "Other", "Everything else"),
];

function run(context: Context, flags: ListingFlags, id?: string): Result {
  const rows = describeSizes(id, context.signal);
  return listing(columns, rows, flags, "There are no data of apps");
}

export default defineCommand<ListingFlags, [string?]>({
  brief: "Show what apps keep on disk",
  columns,
  examples: [
    ["data", "shows sizes for all apps and their profiles"],
    ["data --json org.example.App", "shows those of one app in bytes, for programs"],
  ],
  parameters: {
    flags: listingFlags,
    aliases: { j: "json" },
    positional: { kind: "tuple", parameters: [optionalArgument("App", "APP")] },
  },
  run,
});
