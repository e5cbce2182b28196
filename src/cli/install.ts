// SPDX-License-Identifier: Apache-2.0
import { installWords } from "../engine/installwords.ts";
import { prepareInstall } from "../engine/prepareinstall.ts";
import type { Result } from "../render/result.ts";
import type { Context } from "./context.ts";
import { defineCommand } from "./define.ts";
import {
  changeAliases,
  type FetchFlags,
  fetchFlags,
  planOptions,
  switchFlag,
  textArgument,
  textFlag,
} from "./flags.ts";
import { chooser, installationForChange, installationsBeside, kindOf, runTransactions } from "./transaction.ts";
import { readKey } from "./verifyoptions.ts";

interface Flags extends FetchFlags {
  readonly orUpdate?: boolean;
  readonly reinstall?: boolean;
  readonly noAutoPin?: boolean;
  readonly bundle?: boolean;
  readonly image?: boolean;
  readonly from?: boolean;
  readonly gpgFile?: string;
}

async function run(context: Context, flags: Flags, ...typed: string[]): Promise<Result> {
  const installation = installationForChange(flags);
  const words = installWords(typed, flags);
  const options = {
    ...planOptions(flags),
    arch: flags.arch,
    kind: kindOf(flags),
    orUpdate: flags.orUpdate ?? false,
    reinstall: flags.reinstall ?? false,
    noAutoPin: flags.noAutoPin ?? false,
    gpgKey: flags.gpgFile === undefined ? undefined : readKey(flags.gpgFile),
    cached: flags.noPull,
    mayBeOld: flags.sideloadRepo !== undefined,
    installations: installationsBeside(installation),
    choose: chooser(context, flags),
    signal: context.signal,
  };
  return runTransactions(context, flags, [
    {
      installation,
      prepare: (report, declined) => prepareInstall(installation, words, { ...options, declined, report }),
    },
  ]);
}

export default defineCommand<Flags, string[]>({
  brief: "Install apps or runtimes",
  description:
    "Takes refs, whole or in part, after the name of a remote or alone; or an image's location. The runtime that an app needs comes with it, and so do the extensions that belong to either.",
  examples: [
    ["install org.example.App", "looks for the app in every remote"],
    ["install example org.example.App//beta", "takes the branch beta from the remote example"],
    ["install --user oci:build/image org.example.App", "installs from an OCI layout folder"],
    ["install oci-archive:app.tar", "installs the one image in an archive"],
    ["install docker://registry.example.org/apps/org.example.app:stable", "installs one image of a registry"],
    ["install --no-deploy org.example.App", "fetches an app, to be installed later with --no-pull"],
  ],
  parameters: {
    flags: {
      ...fetchFlags,
      orUpdate: switchFlag("Update what is installed already"),
      reinstall: switchFlag("Install again what is installed already"),
      noAutoPin: switchFlag("Do not pin runtimes that are named"),
      bundle: switchFlag("The argument is a file with an image"),
      image: switchFlag("The argument is the location of an image"),
      from: switchFlag("The argument is a .flatpakref file"),
      gpgFile: textFlag("GPG keyring that the images of a location or .flatpakref must be signed with", "FILE"),
    },
    aliases: changeAliases,
    positional: { kind: "array", parameter: textArgument("Remote or location, then refs", "REMOTE|REF"), minimum: 1 },
  },
  run,
});
