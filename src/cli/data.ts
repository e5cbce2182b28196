// SPDX-License-Identifier: Apache-2.0
import { describeSizes } from "../engine/data/describe.ts";
import type { Result } from "../render/result.ts";
import { formatSize } from "../render/size.ts";
import type { Column } from "../render/table.ts";
import type { Context } from "./context.ts";
import { defineCommand } from "./define.ts";
import { jsonFlag, optionalArgument, textFlag } from "./flags.ts";

interface Flags {
  readonly columns?: string;
  readonly json?: boolean;
}

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

function run(context: Context, flags: Flags, id?: string): Result {
  const rows = describeSizes(id, context.signal);
  return {
    kind: "table",
    columns,
    rows,
    asked: flags.columns,
    json: flags.json === true,
    whenEmpty: "There are no data of apps",
  };
}

export default defineCommand<Flags, [string?]>({
  brief: "Show what apps keep on disk",
  examples: [
    ["data", "shows sizes for all apps and their profiles"],
    ["data --json org.example.App", "shows those of one app in bytes, for programs"],
  ],
  parameters: {
    flags: { ...jsonFlag, columns: textFlag("Columns to show; 'help' lists them", "COLUMNS") },
    aliases: { j: "json" },
    positional: { kind: "tuple", parameters: [optionalArgument("App", "APP")] },
  },
  run,
});
