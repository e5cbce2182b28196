// SPDX-License-Identifier: Apache-2.0
import { removeSet } from "../../engine/data/change.ts";
import { dataSet, describeSet, requireData } from "../../engine/data/sets.ts";
import { nothing, type Result } from "../../render/result.ts";
import type { Context } from "../context.ts";
import { defineCommand } from "../define.ts";
import { jsonFlag, type TransactionFlags, textArgument, transactionFlags } from "../flags.ts";
import { confirmLoss } from "../question.ts";

interface Flags extends TransactionFlags {
  readonly json?: boolean;
}

function run(context: Context, flags: Flags, id: string, profile: string): Result {
  const set = dataSet(id, profile);
  if (set.profile !== undefined) {
    requireData(set);
    confirmLoss(context, flags, `Remove all data of the ${describeSet(set)}?`);
  }
  removeSet(set);
  return flags.json === true ? { kind: "json", value: { application: id, profile } } : nothing;
}

export default defineCommand<Flags, [string, string]>({
  brief: "Remove a profile of an app",
  description: "Its data and overrides go. The app must not run with it.",
  examples: [["profile remove org.example.App work", "removes a profile after a question"]],
  parameters: {
    flags: { ...transactionFlags, ...jsonFlag },
    aliases: { y: "assumeyes", j: "json" },
    positional: { kind: "tuple", parameters: [textArgument("App", "APP"), textArgument("Profile", "NAME")] },
  },
  run,
});
