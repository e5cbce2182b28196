// SPDX-License-Identifier: Apache-2.0
import { prepareUpdate } from "../engine/prepareupdate.ts";
import { spreadNames } from "../engine/spread.ts";
import { nothing, type Result } from "../render/result.ts";
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
import { type CommonFlags, installationChoice, installationsToRead, kindOf, runTransaction } from "./transaction.ts";

interface Flags extends CommonFlags {
  readonly arch?: string;
  readonly noDeps?: boolean;
  readonly noRelated?: boolean;
}

async function run(context: Context, flags: Flags, ...words: string[]): Promise<Result> {
  const selection = { arch: flags.arch, kind: kindOf(flags) };
  for (const { installation, names } of spreadNames(installationChoice(flags), words, selection)) {
    await runTransaction(context, flags, installation, (report) =>
      prepareUpdate(installation, names, {
        ...selection,
        noDeps: flags.noDeps ?? false,
        installations: installationsToRead({}),
        report,
        signal: context.signal,
      }),
    );
  }
  return nothing;
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
