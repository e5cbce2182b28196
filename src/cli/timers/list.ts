// SPDX-License-Identifier: Apache-2.0
import type { Result } from "../../render/result.ts";
import type { Column } from "../../render/table.ts";
import { TimerFiles } from "../../session/timers/files.ts";
import type { Context } from "../context.ts";
import { defineCommand } from "../define.ts";
import { optionalArgument } from "../flags.ts";
import { type ListingFlags, listing, listingFlags } from "../listing.ts";

const time = (value: unknown): string =>
  `${new Date(Number(value)).toISOString().replace("T", " ").slice(0, 19)} +0000`;
const seconds = (value: unknown): string => (value === undefined ? "" : `${Number(value) / 1000} s`);

const columns: readonly Column[] = [
  { name: "app", title: "App", shownByDefault: true, description: "Id of the app, and @ with its profile" },
  { name: "name", title: "Name", shownByDefault: true, description: "Name that the app gave it" },
  { name: "due", title: "Due", shownByDefault: true, description: "When it fires next", format: time },
  { name: "interval", title: "Interval", shownByDefault: true, description: "How often it returns", format: seconds },
  { name: "accuracy", title: "Accuracy", shownByDefault: false, description: "How late it may be", format: seconds },
  { name: "data", title: "Data", shownByDefault: false, description: "What the app gets with it" },
];

async function run(_context: Context, flags: ListingFlags, app: string | undefined): Promise<Result> {
  const files = new TimerFiles(process.env);
  const owners = app === undefined ? files.owners() : [app];
  const rows = owners.flatMap((owner) => files.read(owner).map((timer) => ({ app: owner, ...timer })));
  return listing(columns, rows, flags, "No app has set a timer");
}

export default defineCommand<ListingFlags, [string?]>({
  brief: "Show the wake-ups that apps have set",
  columns,
  examples: [
    ["timers list", "lists those of all apps"],
    ["timers list --json org.example.Clock", "prints those of one app as JSON; times are in milliseconds"],
  ],
  parameters: {
    flags: listingFlags,
    aliases: { j: "json" },
    positional: { kind: "tuple", parameters: [optionalArgument("App", "APP")] },
  },
  run,
});
