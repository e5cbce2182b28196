// SPDX-License-Identifier: Apache-2.0
import type { Report } from "../base/events.ts";
import { prepareInstall } from "../engine/prepareinstall.ts";
import type { Plan } from "../engine/types.ts";
import type { Result } from "../render/result.ts";
import type { Context } from "./context.ts";
import { defineCommand } from "./define.ts";
import {
  installationFlags,
  jsonFlag,
  kindFlags,
  switchFlag,
  textArgument,
  textFlag,
  transactionFlags,
} from "./flags.ts";
import {
  type CommonFlags,
  installationForAdding,
  installationsToRead,
  kindOf,
  runTransactions,
} from "./transaction.ts";

interface Flags extends CommonFlags {
  readonly arch?: string;
  readonly noDeps?: boolean;
  readonly noRelated?: boolean;
  readonly orUpdate?: boolean;
  readonly reinstall?: boolean;
}

async function run(context: Context, flags: Flags, ...words: string[]): Promise<Result> {
  const installation = installationForAdding(flags);
  const prepare = (report: Report): Promise<Plan> =>
    prepareInstall(installation, words, {
      arch: flags.arch,
      kind: kindOf(flags),
      noDeps: flags.noDeps ?? false,
      orUpdate: flags.orUpdate ?? false,
      reinstall: flags.reinstall ?? false,
      installations: installationsToRead({}),
      report,
      signal: context.signal,
    });
  return runTransactions(context, flags, [{ installation, prepare }]);
}

export default defineCommand<Flags, string[]>({
  brief: "Install apps or runtimes",
  description:
    "Takes refs, whole or in part, after the name of a remote or alone; or an image's location. The runtime that an app needs comes with it.",
  examples: [
    ["install org.example.App", "looks for the app in every remote"],
    ["install example org.example.App//beta", "takes the branch beta from the remote example"],
    ["install --user oci:build/image org.example.App", "installs from an OCI layout folder"],
    ["install oci-archive:app.tar", "installs the one image in an archive"],
    ["install docker://registry.example.org/apps/org.example.app:stable", "installs one image of a registry"],
  ],
  parameters: {
    flags: {
      ...installationFlags,
      ...kindFlags,
      ...transactionFlags,
      ...jsonFlag,
      arch: textFlag("Architecture to install for", "ARCH"),
      noDeps: switchFlag("Do not install the runtime that an app needs"),
      noRelated: switchFlag("Do not install related extensions"),
      orUpdate: switchFlag("Update what is installed already"),
      reinstall: switchFlag("Install again what is installed already"),
    },
    aliases: { u: "user", y: "assumeyes", j: "json" },
    positional: { kind: "array", parameter: textArgument("Remote or location, then refs", "REF"), minimum: 1 },
  },
  run,
});
