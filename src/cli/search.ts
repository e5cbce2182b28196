// SPDX-License-Identifier: Apache-2.0
import { search } from "../engine/search.ts";
import type { Result } from "../render/result.ts";
import type { Column } from "../render/table.ts";
import { type Context, withReporter } from "./context.ts";
import { defineCommand } from "./define.ts";
import { type InstallationFlags, installationFlags, jsonFlag, textArgument, textFlag } from "./flags.ts";
import { installationsToRead } from "./transaction.ts";

interface Flags extends InstallationFlags {
  readonly arch?: string;
  readonly columns?: string;
  readonly json?: boolean;
}

const columns: readonly Column[] = [
  { name: "name", title: "Name", shownByDefault: true, description: "Name" },
  { name: "description", title: "Description", shownByDefault: true, description: "One line about it" },
  { name: "application", title: "Application ID", shownByDefault: true, description: "Id of the app or runtime" },
  { name: "version", title: "Version", shownByDefault: true, description: "Version" },
  { name: "branch", title: "Branch", shownByDefault: true, description: "Branch" },
  { name: "remotes", title: "Remotes", shownByDefault: true, description: "Remotes that have it" },
];

async function run(context: Context, flags: Flags, ...words: string[]): Promise<Result> {
  const { arch, columns: asked, json = false } = flags;
  const rows = await withReporter(context, false, (report) =>
    search(installationsToRead(flags), words.join(" "), { arch, report, signal: context.signal }),
  );
  return { kind: "table", columns, rows, asked, json, whenEmpty: "No matches found", emptyIsNews: true };
}

export default defineCommand<Flags, string[]>({
  brief: "Search for apps and runtimes in the remotes",
  description: "Looks in names, summaries, keywords and ids; the best matches come first.",
  columns,
  examples: [
    ["search text editor", "looks for both words"],
    ["search --columns=application,remotes chess", "prints ids and where they can be had"],
    ["search --json chess", "the same for programs"],
  ],
  parameters: {
    flags: {
      ...installationFlags,
      ...jsonFlag,
      arch: textFlag("Architecture", "ARCH"),
      columns: textFlag("Columns to show; 'help' lists them", "COLUMNS"),
    },
    aliases: { u: "user", j: "json" },
    positional: { kind: "array", parameter: textArgument("Words to look for", "TEXT"), minimum: 1 },
  },
  run,
});
