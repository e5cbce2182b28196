// SPDX-License-Identifier: Apache-2.0
import { dataSet } from "../../engine/data/sets.ts";
import type { Result } from "../../render/result.ts";
import type { Context } from "../context.ts";
import { type ImportFlags, importFlags, takeArchive } from "../dataflags.ts";
import { defineCommand } from "../define.ts";
import { textArgument } from "../flags.ts";

async function run(context: Context, flags: ImportFlags, id: string, profile: string, file: string): Promise<Result> {
  return takeArchive(context, dataSet(id, profile), file, flags, false);
}

export default defineCommand<ImportFlags, [string, string, string]>({
  brief: "Make a profile of an app from an archive",
  description:
    "The profile must not be there yet. Permissions that the archive brings are shown, and taken only if asked.",
  examples: [
    ["profile import org.example.App work work.tar.zst", "makes a profile of what was exported"],
    ["profile import --with-overrides org.example.App work work.tar.zst", "takes the permissions as well"],
  ],
  parameters: {
    flags: importFlags,
    aliases: { j: "json" },
    positional: {
      kind: "tuple",
      parameters: [textArgument("App", "APP"), textArgument("Profile", "NAME"), textArgument("Archive", "FILE")],
    },
  },
  run,
});
