// SPDX-License-Identifier: Apache-2.0
import { loadRepoFile } from "../remotes/repofile.ts";
import { nothing, type Result } from "../render/result.ts";
import type { Context } from "./context.ts";
import { defineCommand } from "./define.ts";
import { type InstallationFlags, installationFlags, switchFlag, textArgument } from "./flags.ts";
import { type RemoteFlags, remoteFlags, remoteSettings } from "./remoteoptions.ts";
import { change, installationForChange } from "./transaction.ts";
import { gpgSetting, type VerifyFlags, verifyChoice, verifyFlags } from "./verifyoptions.ts";

interface Flags extends InstallationFlags, RemoteFlags, VerifyFlags {
  readonly ifNotExists?: boolean;
  readonly from?: boolean;
  readonly noFollow_redirect?: boolean;
}

async function run(context: Context, flags: Flags, name: string, location: string): Promise<Result> {
  const installation = installationForChange(flags);
  const isFile = flags.from === true || /\.flatpakrepo(?:[?#].*)?$/.test(location);
  const { gpgKey, ...loaded } = isFile
    ? await loadRepoFile(location, context.signal)
    : { url: location, gpgKey: undefined };
  const verify = verifyChoice(flags);
  const noFollowRedirect = flags.noFollowRedirect === true || flags.noFollow_redirect === true;
  const settings = {
    ...loaded,
    ...remoteSettings({ ...flags, ...(noFollowRedirect ? { noFollowRedirect } : {}) }),
    ...gpgSetting(verify),
    url: loaded.url,
  };
  const ifNotExists = flags.ifNotExists ?? false;
  await change(context, installation, { kind: "remote-add", name, settings, ifNotExists, verify, gpgKey });
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
      noFollow_redirect: { ...remoteFlags.noFollowRedirect, brief: "As --no-follow-redirect; Flatpak writes it so" },
    },
    aliases: { u: "user" },
    positional: {
      kind: "tuple",
      parameters: [textArgument("Name of the remote", "NAME"), textArgument("Where it is", "LOCATION")],
    },
  },
  run,
});
