// SPDX-License-Identifier: Apache-2.0
import { preparePreinstall, unnotedPreinstalled } from "../engine/preinstall/prepare.ts";
import type { Result } from "../render/result.ts";
import type { Context } from "./context.ts";
import { defineCommand } from "./define.ts";
import { changeAliases, type FetchFlags, fetchFlags, planOptions, switchFlag } from "./flags.ts";
import { change, installationForChange, installationsBeside, runTransactions } from "./transaction.ts";

interface Flags extends FetchFlags {
  readonly reinstall?: boolean;
}

async function run(context: Context, flags: Flags): Promise<Result> {
  const installation = installationForChange(flags);
  const options = {
    ...planOptions(flags),
    reinstall: flags.reinstall ?? false,
    cached: flags.noPull,
    mayBeOld: flags.sideloadRepo !== undefined,
    installations: installationsBeside(installation),
    signal: context.signal,
  };
  try {
    return await runTransactions(context, flags, [
      {
        installation,
        prepare: (report, declined) => preparePreinstall(installation, { ...options, declined, report }),
      },
    ]);
  } finally {
    if (flags.noDeploy !== true && unnotedPreinstalled(installation) !== undefined) {
      await change(context, installation, { kind: "preinstalled" }, { noninteractive: flags.noninteractive });
    }
  }
}

export default defineCommand<Flags, []>({
  brief: "Install what the maker of the system chose",
  description:
    "Reads *.preinstall files in preinstall.d below /usr/share/flatpak, /usr/share/dowel, /etc/flatpak and /etc/dowel. What was preinstalled once and removed by a user is not installed again; what is no longer listed is removed.",
  examples: [
    ["preinstall -y", "installs what is listed and not here yet, and removes what is listed no longer"],
    ["preinstall --reinstall", "installs also what a user removed"],
  ],
  parameters: {
    flags: { ...fetchFlags, reinstall: switchFlag("Install also what was preinstalled before and removed") },
    aliases: changeAliases,
  },
  run,
});
