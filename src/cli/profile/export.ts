// SPDX-License-Identifier: Apache-2.0
import { exportSet } from "../../engine/data/archive-write.ts";
import { dataSet } from "../../engine/data/sets.ts";
import type { Result } from "../../render/result.ts";
import type { Context } from "../context.ts";
import { type ExportFlags, exported, exportFlags } from "../dataflags.ts";
import { defineCommand } from "../define.ts";
import { textArgument } from "../flags.ts";

async function run(context: Context, flags: ExportFlags, id: string, profile: string, file: string): Promise<Result> {
  const set = dataSet(id, profile);
  const size = await exportSet(set, file, { withCache: flags.withCache === true, signal: context.signal });
  return exported(set, file, size, flags);
}

export default defineCommand<ExportFlags, [string, string, string]>({
  brief: "Write a profile of an app as one archive",
  description: "Data and overrides, without caches, as tar packed with zstd. The app must not run with the profile.",
  examples: [
    ["profile export org.example.App work work.tar.zst", "writes a profile"],
    ["profile export --with-cache org.example.App default all.tar.zst", "writes everything that the app keeps"],
  ],
  parameters: {
    flags: exportFlags,
    aliases: { j: "json" },
    positional: {
      kind: "tuple",
      parameters: [textArgument("App", "APP"), textArgument("Profile", "NAME"), textArgument("Archive", "FILE")],
    },
  },
  run,
});
