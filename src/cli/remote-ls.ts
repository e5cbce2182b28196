// SPDX-License-Identifier: Apache-2.0
import { listOffered } from "../engine/offered.ts";
import type { Result } from "../render/result.ts";
import { formatSize } from "../render/size.ts";
import type { Column } from "../render/table.ts";
import type { Context } from "./context.ts";
import { defineCommand } from "./define.ts";
import {
  optionalArgument,
  type SelectionFlags,
  selectionAliases,
  selectionFlags,
  switchFlag,
  textFlag,
} from "./flags.ts";
import { installationsToRead, kindOf } from "./transaction.ts";

interface Flags extends SelectionFlags {
  readonly updates?: boolean;
  readonly all?: boolean;
  readonly appRuntime?: string;
  readonly cached?: boolean;
  readonly sideloaded?: boolean;
  readonly showDetails?: boolean;
  readonly columns?: string;
}

const shortCommit = (value: string | number | boolean): string => String(value).slice(0, 12);
// An image need not say how large it is.
const size = (value: string | number | boolean): string => (value === 0 ? "" : formatSize(Number(value)));

const columns: readonly Column[] = [
  { name: "name", title: "Name", shownByDefault: true, description: "Name" },
  { name: "description", title: "Description", shownByDefault: false, description: "One line about it" },
  { name: "application", title: "Application ID", shownByDefault: true, description: "Id of the app or runtime" },
  { name: "version", title: "Version", shownByDefault: true, description: "Version" },
  { name: "branch", title: "Branch", shownByDefault: true, description: "Branch" },
  { name: "arch", title: "Arch", shownByDefault: false, description: "Architecture" },
  { name: "origin", title: "Origin", shownByDefault: true, hiddenWhenSame: true, description: "Remote" },
  { name: "ref", title: "Ref", shownByDefault: false, description: "Full ref" },
  {
    name: "commit",
    title: "Commit",
    shownByDefault: false,
    description: "Digest of the manifest",
    format: shortCommit,
  },
  { name: "runtime", title: "Runtime", shownByDefault: false, description: "Runtime of an app" },
  { name: "installed-size", title: "Installed size", shownByDefault: false, description: "Size on disk", format: size },
  { name: "download-size", title: "Download size", shownByDefault: false, description: "Bytes to fetch", format: size },
  { name: "options", title: "Options", shownByDefault: false, description: "End of life" },
];

async function run(context: Context, flags: Flags, remote?: string): Promise<Result> {
  const rows = await listOffered(installationsToRead(flags), {
    remote,
    arch: flags.arch,
    kind: kindOf(flags),
    updates: flags.updates ?? false,
    all: flags.all ?? false,
    appRuntime: flags.appRuntime,
    cached: flags.cached ?? false,
    sideloaded: flags.sideloaded ?? false,
    signal: context.signal,
  });
  const asked = flags.columns ?? (flags.showDetails === true ? "all" : undefined);
  return { kind: "table", columns, rows, asked, json: flags.json === true, whenEmpty: "Nothing is offered" };
}

export default defineCommand<Flags, [string?]>({
  brief: "List what a remote offers",
  columns,
  examples: [
    ["remote-ls example", "lists the apps and runtimes of a remote"],
    ["remote-ls --app --columns=application,download-size", "lists the apps of all remotes"],
    ["remote-ls oci:build/image", "lists what an OCI layout holds"],
    ["remote-ls --updates", "lists what is newer than what is installed"],
  ],
  parameters: {
    flags: {
      ...selectionFlags,
      arch: textFlag("Architecture; '*' for all", "ARCH"),
      all: switchFlag("Show translations, debug information and sources, too"),
      appRuntime: textFlag("Only apps that need this runtime", "RUNTIME"),
      updates: switchFlag("Only what is newer than what is installed"),
      cached: switchFlag("Do not ask the registry"),
      sideloaded: switchFlag("Only what is on media or in folders of layouts, without asking the registry"),
      showDetails: switchFlag("Show all columns"),
      columns: textFlag("Columns to show; 'help' lists them", "COLUMNS"),
    },
    aliases: { ...selectionAliases, a: "all", d: "showDetails" },
    positional: { kind: "tuple", parameters: [optionalArgument("Name of a remote, or a location", "REMOTE")] },
  },
  run,
});
