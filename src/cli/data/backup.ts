// SPDX-License-Identifier: Apache-2.0
import { exportSet } from "../../engine/data/archive-write.ts";
import { dataSet } from "../../engine/data/sets.ts";
import type { Result } from "../../render/result.ts";
import type { Context } from "../context.ts";
import { type ExportFlags, exported, exportFlags } from "../dataflags.ts";
import { defineCommand } from "../define.ts";
import { textArgument, textFlag } from "../flags.ts";

interface Flags extends ExportFlags {
  readonly profile?: string;
}

async function run(context: Context, flags: Flags, id: string, file: string): Promise<Result> {
  const set = dataSet(id, flags.profile);
  const size = await exportSet(set, file, { withCache: flags.withCache === true, signal: context.signal });
  return exported(set, file, size, flags);
}

export default defineCommand<Flags, [string, string]>({
  brief: "Back up what an app keeps",
  description: "Data and overrides, without caches, as one archive: tar packed with zstd. The app must not run.",
  examples: [
    ["data backup org.example.App app.tar.zst", "backs an app's data up"],
    ["data backup --profile=work org.example.App work.tar.zst", "backs one of its profiles up"],
  ],
  parameters: {
    flags: { ...exportFlags, profile: textFlag("Another profile than 'default'", "NAME") },
    aliases: { j: "json" },
    positional: { kind: "tuple", parameters: [textArgument("App", "APP"), textArgument("Archive", "FILE")] },
  },
  run,
});
