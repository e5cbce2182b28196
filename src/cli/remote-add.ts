// SPDX-License-Identifier: Apache-2.0
import { addRemote } from "../remotes/config.ts";
import { loadRepoFile } from "../remotes/repofile.ts";
import type { RemoteSettings } from "../remotes/settings.ts";
import { nothing, type Result } from "../render/result.ts";
import type { Context } from "./context.ts";
import { defineCommand } from "./define.ts";
import { type InstallationFlags, installationFlags, switchFlag, textArgument, textFlag } from "./flags.ts";
import { installationForAdding } from "./transaction.ts";

interface Flags extends InstallationFlags {
  readonly ifNotExists?: boolean;
  readonly from?: boolean;
  readonly title?: string;
  readonly comment?: string;
  readonly description?: string;
  readonly homepage?: string;
  readonly icon?: string;
  readonly defaultBranch?: string;
  readonly filter?: string;
  readonly prio?: number;
  readonly disable?: boolean;
  readonly noEnumerate?: boolean;
  readonly noUseForDeps?: boolean;
  readonly noGpgVerify?: boolean;
}

function settingsOf(flags: Flags): RemoteSettings {
  const { title, comment, description, homepage, icon, defaultBranch, filter, prio, disable, noEnumerate } = flags;
  const given = {
    title,
    comment,
    description,
    homepage,
    icon,
    defaultBranch,
    filter,
    priority: prio,
    disabled: disable,
    noEnumerate,
    noDeps: flags.noUseForDeps,
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

async function run(context: Context, flags: Flags, name: string, location: string): Promise<Result> {
  const installation = installationForAdding(flags);
  const isFile = flags.from === true || /\.flatpakrepo$/.test(location);
  const loaded = isFile ? await loadRepoFile(location, context.signal) : { url: location };
  const settings = { ...loaded, ...settingsOf(flags), url: loaded.url ?? location };
  await addRemote(installation, name, settings, { ifNotExists: flags.ifNotExists ?? false, signal: context.signal });
  return nothing;
}

export default defineCommand<Flags, [string, string]>({
  brief: "Add a remote",
  description:
    "A location is a namespace of a registry (oci+https://HOST/NAMESPACE, docker://HOST/NAMESPACE), an OCI layout (oci:FOLDER, oci-archive:FILE) or a .flatpakrepo file.",
  examples: [
    ["remote-add example oci+https://registry.example.org/apps", "adds a registry's namespace"],
    ["remote-add --user --if-not-exists local oci+http://127.0.0.1:5000/apps", "adds one of this machine, once"],
    ["remote-add example https://example.org/example.flatpakrepo", "takes the settings from a file"],
  ],
  parameters: {
    flags: {
      ...installationFlags,
      ifNotExists: switchFlag("Do nothing where the remote exists"),
      from: switchFlag("The location is a .flatpakrepo file"),
      title: textFlag("Title", "TEXT"),
      comment: textFlag("One line about it", "TEXT"),
      description: textFlag("A paragraph about it", "TEXT"),
      homepage: textFlag("Homepage", "URL"),
      icon: textFlag("Address of an icon", "URL"),
      defaultBranch: textFlag("Branch to prefer", "BRANCH"),
      filter: textFlag("File that says which refs to show", "FILE"),
      prio: {
        kind: "parsed",
        parse: Number,
        brief: "Priority; higher is asked first",
        placeholder: "NUMBER",
        optional: true,
      },
      disable: switchFlag("Add it disabled"),
      noEnumerate: switchFlag("Do not list what it has"),
      noUseForDeps: switchFlag("Do not take runtimes from it"),
      noGpgVerify: switchFlag("Do not verify GPG signatures"),
    },
    aliases: { u: "user" },
    positional: {
      kind: "tuple",
      parameters: [textArgument("Name of the remote", "NAME"), textArgument("Where it is", "LOCATION")],
    },
  },
  run,
});
