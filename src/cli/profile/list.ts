// SPDX-License-Identifier: Apache-2.0
import { describeProfiles } from "../../engine/data/describe.ts";
import type { Result } from "../../render/result.ts";
import type { Column } from "../../render/table.ts";
import type { Context } from "../context.ts";
import { defineCommand } from "../define.ts";
import { optionalArgument } from "../flags.ts";
import { type ListingFlags, listing, listingFlags } from "../listing.ts";

const columns: readonly Column[] = [
  { name: "application", title: "Application", shownByDefault: true, description: "Id of the app" },
  { name: "profile", title: "Profile", shownByDefault: true, description: "Name of the set of data" },
  { name: "running", title: "Running", shownByDefault: true, description: "Whether the app runs with it" },
  { name: "overrides", title: "Overrides", shownByDefault: true, description: "Whether it has overrides of its own" },
  { name: "path", title: "Path", shownByDefault: false, description: "Folder of the data" },
];

function run(_context: Context, flags: ListingFlags, id?: string): Result {
  return listing(columns, describeProfiles(id), flags, "There are no data of apps");
}

export default defineCommand<ListingFlags, [string?]>({
  brief: "List the sets of data that apps have",
  description: "Each app has the profile 'default'; further ones are made by run --profile=NAME.",
  columns,
  examples: [
    ["profile list", "lists those of all apps"],
    ["profile list --json org.example.App", "lists those of one app, for programs"],
  ],
  parameters: {
    flags: listingFlags,
    aliases: { j: "json" },
    positional: { kind: "tuple", parameters: [optionalArgument("App", "APP")] },
  },
  run,
});
