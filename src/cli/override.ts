// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";
import { addOverrides, dropOverrides, overridesName, showOverrides } from "../engine/run/overrides.ts";
import { nothing, type Result } from "../render/result.ts";
import { runFolderPath } from "../sandbox/run-folder.ts";
import { followOverrides } from "../session/service/policy.ts";
import { sessionSocketPath } from "../session/service/serve.ts";
import type { Context } from "./context.ts";
import { defineCommand } from "./define.ts";
import { type InstallationFlags, installationFlags, optionalArgument, switchFlag, textFlag } from "./flags.ts";
import { permissionFlags } from "./permissionflags.ts";
import { typedPermissions } from "./permissionoptions.ts";
import { installationChoice } from "./transaction.ts";

interface Flags extends InstallationFlags {
  readonly show?: boolean;
  readonly reset?: boolean;
  readonly profile?: string;
}

/** What runs follows on the buses that it has; all else counts from the next start on. */
async function follow({ terminal, signal }: Context, app: string | undefined): Promise<void> {
  const socket = sessionSocketPath(runFolderPath(process.geteuid?.() ?? 0));
  for (const { app: name, instance } of await followOverrides(socket, app, signal)) {
    terminal.err(`${name} keeps what it may do on the buses until it ends (instance ${instance})\n`);
  }
}

async function run(context: Context, flags: Flags, app?: string): Promise<Result> {
  const id = overridesName(app, flags.profile);
  const choice = installationChoice(flags);
  const options = typedPermissions(context.words);
  if (flags.reset === true) await dropOverrides(choice, id, context.signal);
  if (options.length > 0) await addOverrides(choice, id, options, context.signal);
  if (flags.reset === true || options.length > 0) await follow(context, app);
  if (flags.show === true) return { kind: "text", text: showOverrides(choice, id) };
  if (options.length > 0 || flags.reset === true) return nothing;
  throw new DowelError("USAGE", "There is nothing to do: no permission is named", {
    hint: "Give permission options, --show or --reset; see 'dowel override --help'",
  });
}

export default defineCommand<Flags, [string?]>({
  brief: "Change what an app may do, for all its starts",
  description:
    "Without an app, for all apps. Overrides of the user's installation come after those of the system's, an app's own after those for all.",
  examples: [
    ["override --user --nofilesystem=home org.example.App", "takes the home away from one app"],
    ["override --user --socket=wayland --nosocket=x11", "changes all apps"],
    ["override --user --show org.example.App", "shows what is overridden"],
    ["override --user --profile=work --unshare=network org.example.App", "changes one profile of an app"],
    ["override --user --reset org.example.App", "takes it all back"],
  ],
  parameters: {
    flags: {
      ...installationFlags,
      ...permissionFlags,
      show: switchFlag("Show what is overridden"),
      reset: switchFlag("Take back all overrides"),
      profile: textFlag("Only for one of the app's profiles", "NAME"),
    },
    aliases: { u: "user" },
    positional: { kind: "tuple", parameters: [optionalArgument("App", "APP")] },
  } as never,
  run,
});
