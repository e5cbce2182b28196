// SPDX-License-Identifier: Apache-2.0
import { listInstalled } from "../engine/list.ts";
import { uniqueSizes } from "../engine/sizes.ts";
import type { Result } from "../render/result.ts";
import { formatSize } from "../render/size.ts";
import type { Column } from "../render/table.ts";
import { type Context, withReporter } from "./context.ts";
import { defineCommand } from "./define.ts";
import { type SelectionFlags, selectionAliases, selectionFlags, switchFlag, textFlag } from "./flags.ts";
import { installationsToRead, kindOf } from "./transaction.ts";

interface Flags extends SelectionFlags {
  readonly appRuntime?: string;
  readonly all?: boolean;
  readonly showDetails?: boolean;
  readonly columns?: string;
}

const shortCommit = (value: string | number | boolean): string => String(value).slice(0, 12);

const columns: readonly Column[] = [
  { name: "name", title: "Name", shownByDefault: true, description: "Name" },
  { name: "description", title: "Description", shownByDefault: false, description: "One line about it" },
  { name: "application", title: "Application ID", shownByDefault: true, description: "Id of the app or runtime" },
  { name: "version", title: "Version", shownByDefault: true, description: "Version" },
  { name: "branch", title: "Branch", shownByDefault: true, description: "Branch" },
  { name: "arch", title: "Arch", shownByDefault: true, hiddenWhenSame: true, description: "Architecture" },
  { name: "runtime", title: "Runtime", shownByDefault: false, description: "Runtime of an app" },
  { name: "origin", title: "Origin", shownByDefault: true, hiddenWhenSame: true, description: "Remote" },
  { name: "installation", title: "Installation", shownByDefault: true, description: "Installation" },
  { name: "ref", title: "Ref", shownByDefault: false, description: "Full ref" },
  {
    name: "active",
    title: "Active commit",
    shownByDefault: false,
    description: "Version that runs",
    format: shortCommit,
  },
  {
    name: "latest",
    title: "Latest commit",
    shownByDefault: false,
    description: "Version seen last at its remote",
    format: shortCommit,
  },
  {
    name: "size",
    title: "Installed size",
    shownByDefault: false,
    description: "Bytes of its files, those that it shares with others included",
    format: (value) => formatSize(Number(value)),
  },
  {
    name: "unique",
    title: "Unique size",
    shownByDefault: false,
    description: "Bytes of contents, of all kept versions, that nothing else here needs: what removing it frees",
    format: (value) => formatSize(Number(value)),
  },
  { name: "options", title: "Options", shownByDefault: false, description: "What else is to be said" },
];

async function run(context: Context, flags: Flags): Promise<Result> {
  const filter = { kind: kindOf(flags), arch: flags.arch, runtime: flags.appRuntime };
  const installations = installationsToRead(flags);
  const found = await withReporter(context, false, async (report) =>
    listInstalled(installations, filter, ({ message }) =>
      report({ type: "warning", text: `${message}; run: dowel repair` }),
    ),
  );
  const unique = /(^|,)(unique|all)/.test(flags.columns ?? "") ? uniqueSizes(installations) : undefined;
  const rows = found.map((row) => ({
    ...row,
    options: row.options.join(","),
    unique: unique?.get(`${row.installation} ${row.ref}`),
  }));
  const asked = flags.columns ?? (flags.showDetails === true ? "all" : undefined);
  return { kind: "table", columns, rows, asked, json: flags.json === true, whenEmpty: "Nothing is installed" };
}

export default defineCommand<Flags, []>({
  brief: "List what is installed",
  columns,
  examples: [
    ["list", "lists apps and runtimes of all installations"],
    ["list --app --columns=application,size,unique", "lists the apps with their sizes, and what removing each frees"],
    ["list --user --json", "lists the user's installation for programs"],
  ],
  parameters: {
    flags: {
      ...selectionFlags,
      appRuntime: textFlag("Only apps that run on this runtime", "RUNTIME"),
      all: switchFlag("Extensions, too"),
      showDetails: switchFlag("Show all columns"),
      columns: textFlag("Columns to show; 'help' lists them", "COLUMNS"),
    },
    aliases: { ...selectionAliases, d: "showDetails", a: "all" },
  },
  run,
});
