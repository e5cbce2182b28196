// SPDX-License-Identifier: Apache-2.0
import { renewCatalogue } from "../engine/offered.ts";
import { installationOfRemote } from "../engine/spread.ts";
import type { RemoteSettings } from "../remotes/settings.ts";
import { nothing, type Result } from "../render/result.ts";
import type { Context } from "./context.ts";
import { defineCommand } from "./define.ts";
import { type InstallationFlags, installationFlags, switchFlag, textArgument, textFlag } from "./flags.ts";
import { type RemoteFlags, remoteFlags, remoteSettings } from "./remoteoptions.ts";
import { change, installationChoice } from "./transaction.ts";
import { gpgSetting, type VerifyFlags, verifyChoice, verifyFlags } from "./verifyoptions.ts";

interface Flags extends InstallationFlags, RemoteFlags, VerifyFlags {
  readonly url?: string;
  readonly enable?: boolean;
  readonly enumerate?: boolean;
  readonly useForDeps?: boolean;
  readonly gpgVerify?: boolean;
  readonly noFilter?: boolean;
  readonly followRedirect?: boolean;
  readonly updateMetadata?: boolean;
}

/** What the options set that only this command has. */
function changes(flags: Flags): RemoteSettings {
  return {
    ...(flags.url === undefined ? {} : { url: flags.url }),
    ...(flags.enable === true ? { disabled: false } : {}),
    ...(flags.enumerate === true ? { noEnumerate: false } : {}),
    ...(flags.useForDeps === true ? { noDeps: false } : {}),
    ...(flags.gpgVerify === true ? { gpgVerify: true } : {}),
    ...(flags.noFilter === true ? { filter: "" } : {}),
    ...(flags.followRedirect === true ? { keepsUrl: false } : {}),
  };
}

async function run(context: Context, flags: Flags, name: string): Promise<Result> {
  const installation = installationOfRemote(installationChoice(flags), name);
  const verify = verifyChoice(flags);
  const settings = { ...remoteSettings(flags), ...changes(flags), ...gpgSetting(verify) };
  await change(context, installation, { kind: "remote-modify", name, settings, verify });
  if (flags.updateMetadata === true) await renewCatalogue(installation, name, context.signal);
  return nothing;
}

export default defineCommand<Flags, [string]>({
  brief: "Change the settings of a remote",
  description: "An empty value takes a setting away.",
  examples: [
    ["remote-modify --enable example", "uses a disabled remote again"],
    ["remote-modify --prio=5 --title='Example apps' example", "changes priority and title"],
    ["remote-modify --url=oci+https://new.example.org/apps example", "looks for it elsewhere from now on"],
  ],
  parameters: {
    flags: {
      ...installationFlags,
      ...remoteFlags,
      ...verifyFlags,
      url: textFlag("Where it is", "LOCATION"),
      enable: switchFlag("Use it"),
      enumerate: switchFlag("List what it has"),
      useForDeps: switchFlag("Take runtimes from it"),
      gpgVerify: switchFlag("Verify GPG signatures"),
      noFilter: switchFlag("Show all refs"),
      followRedirect: switchFlag("Take the note of --no-follow-redirect away"),
      updateMetadata: switchFlag("Ask it at once what it offers, as if for the first time"),
    },
    aliases: { u: "user" },
    positional: { kind: "tuple", parameters: [textArgument("Name of the remote", "REMOTE")] },
  },
  run,
});
