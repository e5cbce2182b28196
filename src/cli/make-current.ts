// SPDX-License-Identifier: Apache-2.0
import { spreadNames } from "../engine/spread.ts";
import { nothing, type Result } from "../render/result.ts";
import type { Context } from "./context.ts";
import { defineCommand } from "./define.ts";
import { type InstallationFlags, installationFlags, optionalArgument, textArgument, textFlag } from "./flags.ts";
import { change, installationChoice } from "./transaction.ts";

interface Flags extends InstallationFlags {
  readonly arch?: string;
}

async function run(context: Context, flags: Flags, id: string, branch?: string): Promise<Result> {
  const selection = { arch: flags.arch, kind: "app" } as const;
  for (const { installation } of spreadNames(installationChoice(flags), [id], { ...selection, one: true })) {
    await change(context, installation, { kind: "make-current", id, branch, arch: flags.arch });
  }
  return nothing;
}

export default defineCommand<Flags, [string, string?]>({
  brief: "Choose which branch of an app is the current one",
  description: "The current branch is shown to the desktop, and runs where no branch is named.",
  examples: [["make-current org.example.App beta", "lets the branch beta be the current one"]],
  parameters: {
    flags: { ...installationFlags, arch: textFlag("Architecture", "ARCH") },
    aliases: { u: "user" },
    positional: { kind: "tuple", parameters: [textArgument("App", "APP"), optionalArgument("Branch", "BRANCH")] },
  },
  run,
});
