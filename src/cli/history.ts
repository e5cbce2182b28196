// SPDX-License-Identifier: Apache-2.0
import { history, parseTime } from "../engine/history.ts";
import type { Result } from "../render/result.ts";
import type { Column } from "../render/table.ts";
import type { Context } from "./context.ts";
import { defineCommand } from "./define.ts";
import { type InstallationFlags, installationFlags, switchFlag, textFlag } from "./flags.ts";
import { type ListingFlags, listing, listingFlags } from "./listing.ts";
import { installationsToRead } from "./transaction.ts";

interface Flags extends InstallationFlags, ListingFlags {
  readonly since?: string;
  readonly until?: string;
  readonly reverse?: boolean;
}

type Value = string | number | boolean;

const shortCommit = (value: Value): string => String(value).slice(0, 12);
const shortTime = (value: Value): string =>
  `${new Date(Number(value) * 1000).toISOString().replace("T", " ").slice(0, 19)} +0000`;

const columns: readonly Column[] = [
  { name: "time", title: "Time", shownByDefault: true, description: "When it was done", format: shortTime },
  { name: "change", title: "Change", shownByDefault: true, description: "What was done" },
  { name: "ref", title: "Ref", shownByDefault: false, description: "Full ref" },
  { name: "application", title: "Application", shownByDefault: true, description: "Id of the app or runtime" },
  { name: "arch", title: "Architecture", shownByDefault: false, description: "Architecture" },
  { name: "branch", title: "Branch", shownByDefault: true, description: "Branch" },
  { name: "installation", title: "Installation", shownByDefault: true, description: "Installation" },
  { name: "remote", title: "Remote", shownByDefault: true, description: "Remote" },
  { name: "commit", title: "Commit", shownByDefault: false, description: "Version since then", format: shortCommit },
  {
    name: "old-commit",
    title: "Old Commit",
    shownByDefault: false,
    description: "Version until then",
    format: shortCommit,
  },
  { name: "url", title: "URL", shownByDefault: false, description: "Where it came from" },
  { name: "user", title: "User", shownByDefault: false, description: "Who did it" },
  { name: "tool", title: "Tool", shownByDefault: false, description: "Program that did it" },
  { name: "version", title: "Version", shownByDefault: false, description: "Version of that program" },
];

function run(_context: Context, flags: Flags): Result {
  const rows = history(installationsToRead(flags), {
    since: flags.since === undefined ? undefined : parseTime(flags.since),
    until: flags.until === undefined ? undefined : parseTime(flags.until),
    reverse: flags.reverse,
  });
  const table = rows.map((row) => ({ ...row }));
  return listing(columns, table, flags, "Nothing was changed");
}

export default defineCommand<Flags, []>({
  brief: "Show what was changed when",
  columns,
  examples: [
    ["history", "shows installs, updates, rollbacks and removals of all installations"],
    ["history --since=7d --reverse", "shows what was changed in the last week, newest first"],
    ["history --columns=time,change,ref,commit,old-commit", "shows the versions, to go back to one"],
    ["history --json", "shows everything for programs"],
  ],
  parameters: {
    flags: {
      ...installationFlags,
      ...listingFlags,
      since: textFlag("Only changes since then", "TIME"),
      until: textFlag("Only changes until then", "TIME"),
      reverse: switchFlag("Newest first"),
    },
    aliases: { u: "user", j: "json" },
  },
  run,
});
