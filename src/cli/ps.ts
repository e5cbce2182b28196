// SPDX-License-Identifier: Apache-2.0
import { runningInstances } from "../engine/run/instances.ts";
import type { Result } from "../render/result.ts";
import { formatSize } from "../render/size.ts";
import type { Column } from "../render/table.ts";
import type { Context } from "./context.ts";
import { defineCommand } from "./define.ts";
import { type ListingFlags, listing, listingFlags } from "./listing.ts";

type Value = string | number | boolean;

const shortCommit = (value: Value): string => String(value).slice(0, 12);
const size = (value: Value): string => formatSize(Number(value));
const percent = (value: Value): string => `${Number(value).toFixed(1)}%`;
const seconds = (value: Value): string => `${Number(value).toFixed(2)} s`;
const time = (value: Value): string =>
  `${new Date(Number(value) * 1000).toISOString().replace("T", " ").slice(0, 19)} +0000`;

const columns: readonly Column[] = [
  { name: "instance", title: "Instance", shownByDefault: true, description: "Number of the instance" },
  { name: "pid", title: "PID", shownByDefault: true, description: "Process that waits for it" },
  { name: "child-pid", title: "Child-PID", shownByDefault: false, description: "First process in the sandbox" },
  { name: "application", title: "Application", shownByDefault: true, description: "Id of the app" },
  { name: "profile", title: "Profile", shownByDefault: true, hiddenWhenSame: true, description: "Set of data" },
  { name: "arch", title: "Architecture", shownByDefault: false, description: "Architecture" },
  { name: "branch", title: "Branch", shownByDefault: false, description: "Branch of the app" },
  { name: "commit", title: "Commit", shownByDefault: false, description: "Version of the app", format: shortCommit },
  { name: "runtime", title: "Runtime", shownByDefault: true, description: "Id of the runtime" },
  { name: "runtime-branch", title: "R.-Branch", shownByDefault: false, description: "Branch of the runtime" },
  {
    name: "runtime-commit",
    title: "R.-Commit",
    shownByDefault: false,
    description: "Version of the runtime",
    format: shortCommit,
  },
  { name: "cpu", title: "CPU", shownByDefault: true, description: "Share of one processor so far", format: percent },
  { name: "memory", title: "Memory", shownByDefault: true, description: "Memory in use", format: size },
  { name: "tasks", title: "Tasks", shownByDefault: false, description: "Processes and threads" },
  { name: "cpu-time", title: "CPU time", shownByDefault: false, description: "Time on processors", format: seconds },
  { name: "limits", title: "Limits", shownByDefault: false, description: "What bounds it" },
  { name: "started", title: "Started", shownByDefault: false, description: "When it was started", format: time },
  { name: "cgroup", title: "Control group", shownByDefault: false, description: "Path of its control group" },
];

function run(_context: Context, flags: ListingFlags): Result {
  const now = Date.now();
  const rows = runningInstances().map((one) => {
    const age = Math.max(1, now - one.started);
    return {
      ...one,
      "child-pid": one.childPid,
      "runtime-branch": one.runtimeBranch,
      "runtime-commit": one.runtimeCommit,
      cpu: one.cpuTime === undefined ? undefined : one.cpuTime / 10 / age,
      "cpu-time": one.cpuTime === undefined ? undefined : one.cpuTime / 1e6,
      started: Math.floor(one.started / 1000),
      limits: Object.entries(one.limits)
        .map(([file, value]) => `${file}=${value}`)
        .join(" "),
    };
  });
  const table = rows.map(({ info: _info, folder: _folder, ...row }) => row);
  return listing(columns, table, flags, "Nothing runs");
}

export default defineCommand<ListingFlags, []>({
  brief: "List what runs",
  description: "Apps that Flatpak started for the same user are listed, too.",
  columns,
  examples: [
    ["ps", "lists the running apps with what they use"],
    ["ps --columns=instance,application,limits", "shows what bounds them"],
    ["ps --json", "lists them for programs"],
  ],
  parameters: {
    flags: listingFlags,
    aliases: { j: "json" },
  },
  run,
});
