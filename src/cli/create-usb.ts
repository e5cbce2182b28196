// SPDX-License-Identifier: Apache-2.0
import { createUsb } from "../engine/createusb.ts";
import { formatRef } from "../metadata/ref.ts";
import { nothing, type Result } from "../render/result.ts";
import { type Context, withReporter } from "./context.ts";
import { defineCommand } from "./define.ts";
import { type SelectionFlags, selectionAliases, selectionFlags, switchFlag, textArgument, textFlag } from "./flags.ts";
import { installationsToRead, kindOf } from "./transaction.ts";

interface Flags extends SelectionFlags {
  readonly destinationRepo?: string;
  readonly allowPartial?: boolean;
}

async function run(context: Context, flags: Flags, medium: string, ...names: string[]): Promise<Result> {
  const copied = await withReporter(context, flags.json === true, (report) =>
    createUsb(installationsToRead(flags), medium, names, {
      arch: flags.arch,
      kind: kindOf(flags),
      folder: flags.destinationRepo,
      allowPartial: flags.allowPartial ?? false,
      report,
      signal: context.signal,
    }),
  );
  if (flags.json !== true) return nothing;
  return { kind: "json", value: copied.map(({ ref, commit, origin }) => ({ ref: formatRef(ref), commit, origin })) };
}

export default defineCommand<Flags, [string, ...string[]]>({
  brief: "Copy installed apps to a medium, to install them elsewhere without a network",
  description:
    "Runtimes and installed extensions come along. The images lie in an OCI layout, .dowel/images on the medium, that 'install --sideload-repo' and 'install oci:' take.",
  examples: [
    ["create-usb /run/media/me/STICK org.example.App", "copies an app and its runtime"],
    ["install --sideload-repo=/run/media/me/STICK org.example.App", "takes it from there elsewhere"],
    ["config --system sideload-repos /run/media", "lets every transaction look for it on media"],
  ],
  parameters: {
    flags: {
      ...selectionFlags,
      destinationRepo: textFlag("Folder on the medium", "DIR"),
      allowPartial: switchFlag("Leave out what its origin does not have any more"),
    },
    aliases: selectionAliases,
    positional: { kind: "array", parameter: textArgument("Mount point, then refs", "MOUNT REF"), minimum: 2 },
  },
  run,
});
