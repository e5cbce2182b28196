// SPDX-License-Identifier: Apache-2.0
import { installationOfRemote } from "../engine/spread.ts";
import { nothing, type Result } from "../render/result.ts";
import type { Context } from "./context.ts";
import { defineCommand } from "./define.ts";
import { type InstallationFlags, installationFlags, switchFlag, textArgument } from "./flags.ts";
import { change, installationChoice } from "./transaction.ts";

interface Flags extends InstallationFlags {
  readonly force?: boolean;
}

async function run(context: Context, flags: Flags, name: string): Promise<Result> {
  const installation = installationOfRemote(installationChoice(flags), name);
  await change(context, installation, { kind: "remote-delete", name, force: flags.force ?? false });
  return nothing;
}

export default defineCommand<Flags, [string]>({
  brief: "Delete a remote",
  examples: [
    ["remote-delete example", "deletes a remote that nothing was installed from"],
    ["remote-delete --force example", "deletes it although something was"],
  ],
  parameters: {
    flags: { ...installationFlags, force: switchFlag("Delete it although installed refs came from it") },
    aliases: { u: "user" },
    positional: { kind: "tuple", parameters: [textArgument("Name of the remote", "REMOTE")] },
  },
  run,
});
