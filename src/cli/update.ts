// SPDX-License-Identifier: Apache-2.0
import type { DowelEvent, Report } from "../base/events.ts";
import { upToDate } from "../engine/plan.ts";
import { prepareUpdate } from "../engine/prepareupdate.ts";
import { spreadNames } from "../engine/spread.ts";
import type { Result } from "../render/result.ts";
import type { Context } from "./context.ts";
import { defineCommand } from "./define.ts";
import {
  installationFlags,
  jsonFlag,
  kindFlags,
  switchFlag,
  textArgument,
  textFlag,
  transactionFlags,
} from "./flags.ts";
import { type CommonFlags, installationChoice, installationsToRead, kindOf, runTransactions } from "./transaction.ts";

interface Flags extends CommonFlags {
  readonly arch?: string;
  readonly noDeps?: boolean;
  readonly noRelated?: boolean;
}

async function run(context: Context, flags: Flags, ...words: string[]): Promise<Result> {
  const selection = { arch: flags.arch, kind: kindOf(flags) };
  const places = spreadNames(installationChoice(flags), words, selection);
  const transactions = places.map(({ installation, names }) => ({
    installation,
    prepare: (report: Report) =>
      prepareUpdate(installation, names, {
        ...selection,
        noDeps: flags.noDeps ?? false,
        installations: installationsToRead({}),
        report,
        signal: context.signal,
      }),
    // Of everything that is installed, what is new is of interest.
    hides: (event: DowelEvent) => words.length === 0 && event.type === "operation.skip" && event.reason === upToDate,
  }));
  return runTransactions(context, flags, transactions);
}

export default defineCommand<Flags, string[]>({
  brief: "Update what is installed",
  description: "Without refs, everything in the installations that the caller can change.",
  examples: [
    ["update", "updates everything"],
    ["update --user -y org.example.App", "updates one app and its runtime without a question"],
    ["update --json", "prints what happens as one JSON object a line"],
  ],
  parameters: {
    flags: {
      ...installationFlags,
      ...kindFlags,
      ...transactionFlags,
      ...jsonFlag,
      arch: textFlag("Architecture to update", "ARCH"),
      noDeps: switchFlag("Do not update the runtimes of named apps"),
      noRelated: switchFlag("Do not update related extensions"),
    },
    aliases: { u: "user", y: "assumeyes", j: "json" },
    positional: { kind: "array", parameter: textArgument("Refs to update", "REF") },
  },
  run,
});
