// SPDX-License-Identifier: Apache-2.0
import { dataSet, describeSet, hasData } from "../../engine/data/sets.ts";
import type { Result } from "../../render/result.ts";
import type { Context } from "../context.ts";
import { type ImportFlags, importFlags, takeArchive } from "../dataflags.ts";
import { defineCommand } from "../define.ts";
import { type TransactionFlags, textArgument, textFlag, transactionFlags } from "../flags.ts";
import { confirmLoss } from "../question.ts";

interface Flags extends ImportFlags, TransactionFlags {
  readonly profile?: string;
}

async function run(context: Context, flags: Flags, id: string, file: string): Promise<Result> {
  const set = dataSet(id, flags.profile);
  if (hasData(set)) confirmLoss(context, flags, `Replace all data of the ${describeSet(set)}?`);
  return takeArchive(context, set, file, flags, true);
}

export default defineCommand<Flags, [string, string]>({
  brief: "Put back what was backed up of an app",
  description: "Takes the place of what the app keeps now, whole or not at all. The app must not run.",
  examples: [
    ["data restore org.example.App app.tar.zst", "puts an app's data back after a question"],
    ["data restore -y --profile=work org.example.App work.tar.zst", "puts a profile back"],
  ],
  parameters: {
    flags: {
      ...importFlags,
      ...transactionFlags,
      profile: textFlag("Another profile than 'default'", "NAME"),
    },
    aliases: { y: "assumeyes", j: "json" },
    positional: { kind: "tuple", parameters: [textArgument("App", "APP"), textArgument("Archive", "FILE")] },
  },
  run,
});
