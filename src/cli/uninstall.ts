// SPDX-License-Identifier: Apache-2.0
import type { Report } from "../base/events.ts";
import { eraseLeft, leftData } from "../engine/data/left.ts";
import { describeSet } from "../engine/data/sets.ts";
import { prepareUninstall } from "../engine/prepareuninstall.ts";
import { meantInstalled } from "../engine/similar.ts";
import { spreadNames } from "../engine/spread.ts";
import { askYesNo } from "../render/prompt.ts";
import { nothing, type Result } from "../render/result.ts";
import { type Context, withReporter } from "./context.ts";
import { defineCommand } from "./define.ts";
import { type ChangeFlags, changeAliases, changeFlags, switchFlag, textArgument } from "./flags.ts";
import { chooser, installationChoice, installationsToRead, kindOf, runTransactions } from "./transaction.ts";

interface Flags extends ChangeFlags {
  readonly all?: boolean;
  readonly unused?: boolean;
  readonly forceRemove?: boolean;
  readonly keepRef?: boolean;
  readonly deleteData?: boolean;
}

async function run(context: Context, flags: Flags, ...words: string[]): Promise<Result> {
  if (words.length === 0 && flags.all !== true && flags.unused !== true && flags.deleteData === true) {
    return await deleteData(context, flags);
  }
  const selection = { arch: flags.arch, kind: kindOf(flags) };
  const choose = chooser(context, flags);
  const installations = installationsToRead({});
  const options = {
    ...selection,
    all: flags.all ?? false,
    unused: flags.unused ?? false,
    forceRemove: flags.forceRemove ?? false,
    noRelated: flags.noRelated ?? false,
    deleteData: flags.deleteData ?? false,
    installations,
    choose,
  };
  const chosen = installationsToRead(flags);
  const names = words.flatMap((word) => meantInstalled(chosen, word, selection, choose));
  const transactions = spreadNames(installationChoice(flags), names, { ...selection, one: true, choose }).map(
    ({ installation, names }) => ({
      installation,
      prepare: (report: Report) => {
        return prepareUninstall(installation, names, { ...options, report });
      },
    }),
  );
  return runTransactions(context, flags, transactions);
}

/** Removes the data of apps that are not installed any more. */
async function deleteData(context: Context, flags: Flags): Promise<Result> {
  const sets = leftData(installationsToRead({}));
  const asks = flags.assumeyes !== true && flags.noninteractive !== true;
  await withReporter(context, flags.json === true, async (report) => {
    for (const set of sets) {
      const what = describeSet(set);
      if (asks && !askYesNo(context.terminal, `Delete the data of the ${what}?`)) continue;
      eraseLeft(set);
      report({ type: "note", text: `Deleted the data of the ${what}` });
    }
    if (sets.length === 0) report({ type: "note", text: "Nothing to do." });
  });
  return nothing;
}

export default defineCommand<Flags, string[]>({
  brief: "Remove installed apps or runtimes",
  description:
    "What an app keeps in ~/.var/app and the folders picked for it (see library list) stay, unless --delete-data is given.",
  examples: [
    ["uninstall org.example.App", "removes an app"],
    ["uninstall --unused", "removes runtimes that no app needs any more"],
    ["uninstall --delete-data org.example.App", "removes an app and what it kept"],
  ],
  parameters: {
    flags: {
      ...changeFlags,
      all: switchFlag("Remove everything"),
      unused: switchFlag("Remove runtimes that no app needs"),
      forceRemove: switchFlag("Remove runtimes that apps still need"),
      keepRef: switchFlag("Accepted; has no effect"),
      deleteData: switchFlag("Remove the app's data, too; alone: the data of apps that are not installed"),
    },
    aliases: changeAliases,
    positional: { kind: "array", parameter: textArgument("Refs to remove", "REF") },
  },
  run,
});
