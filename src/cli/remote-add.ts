// SPDX-License-Identifier: Apache-2.0
import { addRemote, deleteRemote } from "../remotes/config.ts";
import { loadRepoFile } from "../remotes/repofile.ts";
import { adoptKey, checkVerificationChosen, chooseVerification } from "../remotes/trust/choice.ts";
import { nothing, type Result } from "../render/result.ts";
import type { Context } from "./context.ts";
import { defineCommand } from "./define.ts";
import { type InstallationFlags, installationFlags, switchFlag, textArgument } from "./flags.ts";
import { type RemoteFlags, remoteFlags, remoteSettings } from "./remoteoptions.ts";
import { installationForAdding } from "./transaction.ts";
import { gpgSetting, type VerifyFlags, verifyChoice, verifyFlags } from "./verifyoptions.ts";

interface Flags extends InstallationFlags, RemoteFlags, VerifyFlags {
  readonly ifNotExists?: boolean;
  readonly from?: boolean;
}

async function run(context: Context, flags: Flags, name: string, location: string): Promise<Result> {
  const installation = installationForAdding(flags);
  const isFile = flags.from === true || /\.flatpakrepo(?:[?#].*)?$/.test(location);
  const loaded = isFile ? await loadRepoFile(location, context.signal) : { url: location, gpgKey: undefined };
  const choice = verifyChoice(flags);
  const settings = { ...loaded, ...remoteSettings(flags), ...gpgSetting(choice), url: loaded.url };
  const { signal } = context;
  if (choice === undefined && loaded.gpgKey === undefined) checkVerificationChosen(installation, settings.url);
  const added = await addRemote(installation, name, settings, { ifNotExists: flags.ifNotExists ?? false, signal });
  if (!added) return nothing;
  try {
    if (choice !== undefined) await chooseVerification(installation, settings.url, choice, signal);
    else if (loaded.gpgKey !== undefined) await adoptKey(installation, settings.url, loaded.gpgKey, signal);
  } catch (error) {
    await deleteRemote(installation, name, { force: true });
    throw error;
  }
  return nothing;
}

export default defineCommand<Flags, [string, string]>({
  brief: "Add a remote",
  description:
    "A location is a namespace of a registry (oci+https://HOST/NAMESPACE, docker://HOST/NAMESPACE), with or without Flatpak's static index; an OCI layout (oci:FOLDER, oci-archive:FILE); or a .flatpakrepo file, by path or address.",
  examples: [
    ["remote-add example oci+https://registry.example.org/apps", "adds a registry's namespace"],
    ["remote-add --user --if-not-exists local oci+http://127.0.0.1:5000/apps", "adds one of this machine, once"],
    ["remote-add example https://example.org/example.flatpakrepo", "takes the settings from a file"],
    [
      "remote-add --verify=key --verify-key=example.pub example oci+https://registry.example.org/apps",
      "takes only what that key signed",
    ],
    ["remote-add --from --prio=5 example settings.txt", "the same from a file of any name, with a priority"],
  ],
  parameters: {
    flags: {
      ...installationFlags,
      ...remoteFlags,
      ...verifyFlags,
      ifNotExists: switchFlag("Do nothing where the remote exists"),
      from: switchFlag("The location is a .flatpakrepo file"),
    },
    aliases: { u: "user" },
    positional: {
      kind: "tuple",
      parameters: [textArgument("Name of the remote", "NAME"), textArgument("Where it is", "LOCATION")],
    },
  },
  run,
});
