// SPDX-License-Identifier: Apache-2.0
import { prepareUninstall } from "../engine/prepareuninstall.ts";
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
  readonly all?: boolean;
  readonly unused?: boolean;
  readonly forceRemove?: boolean;
  readonly noRelated?: boolean;
  readonly deleteData?: boolean;
}

async function run(context: Context, flags: Flags, ...words: string[]): Promise<Result> {
  const selection = { arch: flags.arch, kind: kindOf(flags) };
  const places = spreadNames(installationChoice(flags), words, selection);
  const transactions = places.map(({ installation, names }) => ({
    installation,
    prepare: () =>
      prepareUninstall(installation, names, {
        ...selection,
        all: flags.all ?? false,
        unused: flags.unused ?? false,
        forceRemove: flags.forceRemove ?? false,
        deleteData: flags.deleteData ?? false,
        installations: installationsToRead({}),
      }),
  }));
  return runTransactions(context, flags, transactions);
}

export default defineCommand<Flags, string[]>({
  brief: "Remove installed apps or runtimes",
  description: "Data that an app keeps in ~/.var/app stays, unless --delete-data is given.",
  examples: [
    ["uninstall org.example.App", "removes an app"],
    ["uninstall --unused", "removes runtimes that no app needs any more"],
    ["uninstall --delete-data org.example.App", "removes an app and what it kept"],
  ],
  parameters: {
    flags: {
      ...installationFlags,
      ...kindFlags,
      ...transactionFlags,
      ...jsonFlag,
      arch: textFlag("Architecture to remove", "ARCH"),
      all: switchFlag("Remove everything"),
      unused: switchFlag("Remove runtimes that no app needs"),
      forceRemove: switchFlag("Remove runtimes that apps still need"),
      noRelated: switchFlag("Do not remove related extensions"),
      deleteData: switchFlag("Remove the app's data, too"),
    },
    aliases: { u: "user", y: "assumeyes", j: "json" },
    positional: { kind: "array", parameter: textArgument("Refs to remove", "REF") },
  },
  run,
});
