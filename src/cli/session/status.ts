// SPDX-License-Identifier: Apache-2.0
import type { Result } from "../../render/result.ts";
import type { Column, Row } from "../../render/table.ts";
import { runFolderPath } from "../../sandbox/run-folder.ts";
import { sessionSocketPath } from "../../session/service/serve.ts";
import { askStatus, type InstanceStatus } from "../../session/service/status.ts";
import type { Context } from "../context.ts";
import { defineCommand } from "../define.ts";
import { type ListingFlags, listing, listingFlags } from "../listing.ts";

const columns: readonly Column[] = [
  { name: "instance", title: "Instance", shownByDefault: true, description: "Number of the instance" },
  { name: "application", title: "Application", shownByDefault: true, description: "Id of the app" },
  { name: "bus", title: "Bus", shownByDefault: true, description: "session, system or a11y" },
  { name: "connections", title: "Connections", shownByDefault: true, description: "Open now" },
  { name: "messages", title: "Messages", shownByDefault: true, description: "In both directions" },
  { name: "bytes", title: "Bytes", shownByDefault: true, description: "In both directions" },
  {
    name: "denied",
    title: "Denied",
    shownByDefault: true,
    description: "Messages that the policy did not let through",
  },
];

function rowsOf({ instance, app, buses }: InstanceStatus): Row[] {
  return Object.entries(buses).map(([bus, traffic]) => ({ instance, application: app, bus, ...traffic }));
}

function run(_context: Context, flags: ListingFlags): Result {
  const status = askStatus(sessionSocketPath(runFolderPath(process.geteuid?.() ?? 0)));
  if (flags.json === true && flags.columns === undefined) return { kind: "json", value: status };
  return listing(columns, status.instances.flatMap(rowsOf), flags, "No app uses a bus now");
}

export default defineCommand<ListingFlags, []>({
  brief: "Show what the session service does",
  description: "One line for each bus of each running app. The JSON form also has what each app was denied.",
  columns,
  examples: [
    ["session status", "shows instances, connections, traffic and denials"],
    ["session status --json", "prints all of it as JSON"],
  ],
  parameters: {
    flags: listingFlags,
    aliases: { j: "json" },
  },
  run,
});
