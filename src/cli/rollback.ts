// SPDX-License-Identifier: Apache-2.0

import { DowelError } from "../base/errors.ts";
import { findInstalled } from "../engine/find.ts";
import { previousVersion, wholeCommit } from "../engine/rollback.ts";
import { formatRef } from "../metadata/ref.ts";
import { askYesNo } from "../render/prompt.ts";
import { nothing, type Result } from "../render/result.ts";
import { type Context, withReporter } from "./context.ts";
import { defineCommand } from "./define.ts";
import { type ChangeFlags, changeAliases, changeFlags, textArgument, textFlag } from "./flags.ts";
import { change, installationsToRead, kindOf } from "./transaction.ts";

interface Flags extends ChangeFlags {
  readonly to?: string;
}

async function run(context: Context, flags: Flags, name: string): Promise<Result> {
  const { installation, deployment } = findInstalled(installationsToRead(flags), name, {
    arch: flags.arch,
    kind: kindOf(flags),
  });
  const { ref } = deployment;
  const commit = flags.to ?? previousVersion(installation, deployment);
  const json = flags.json === true;
  if (flags.assumeyes !== true && flags.noninteractive !== true && !json && context.terminal.canAsk) {
    const question = `Go from ${deployment.commit.slice(0, 12)} to ${commit.slice(0, 12)} of ${formatRef(ref)}?`;
    if (!askYesNo(context.terminal, question)) throw new DowelError("ABORTED", "Nothing was changed");
  }
  await withReporter(context, json, async (report) => {
    const request = { kind: "switch", ref: formatRef(ref), commit: wholeCommit(installation, ref, commit) } as const;
    const { noninteractive } = flags;
    if (!(await change(context, installation, request, { report, noninteractive })))
      report({ type: "note", text: `${formatRef(ref)} ${commit.slice(0, 12)} is active already.` });
  });
  return nothing;
}

export default defineCommand<Flags, [string]>({
  brief: "Go back to an earlier version",
  description:
    "Makes the version before the active one active again, at once and without the network. The next update takes the newest version again.",
  examples: [
    ["rollback org.example.App", "goes back to the version before the last update"],
    ["rollback --to=COMMIT org.example.App", "goes to a certain version, which is fetched where it is no longer kept"],
  ],
  parameters: {
    flags: {
      ...changeFlags,
      to: textFlag("The version to go to", "COMMIT"),
    },
    aliases: changeAliases,
    positional: { kind: "tuple", parameters: [textArgument("App or runtime", "REF")] },
  },
  run,
});
