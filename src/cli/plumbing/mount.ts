// SPDX-License-Identifier: Apache-2.0
import { isWritable } from "../../engine/places.ts";
import type { Result } from "../../render/result.ts";
import { switchToMounts } from "../../store/deploy/switch.ts";
import { mountAll } from "../../store/shown.ts";
import type { Context } from "../context.ts";
import { defineCommand } from "../define.ts";
import { type InstallationFlags, installationFlags, jsonFlag } from "../flags.ts";
import { installationsToRead } from "../transaction.ts";

interface Flags extends InstallationFlags {
  readonly json?: boolean;
}

async function run(context: Context, flags: Flags): Promise<Result> {
  let mounted = 0;
  for (const installation of installationsToRead(flags)) {
    if (isWritable(installation.path)) await switchToMounts(installation, { signal: context.signal });
    mounted += await mountAll(installation, context.signal);
  }
  if (flags.json === true) return { kind: "json", value: { mounted } };
  return { kind: "text", text: `${mounted} deployments are shown by mounts\n` };
}

export default defineCommand<Flags, []>({
  brief: "Mount the images of the installed apps and runtimes",
  description:
    "For root, at boot: makes what root installed usable for everybody. What is shown by hard links, though it could be mounted, is switched; nothing is fetched for that.",
  examples: [["plumbing mount --system", "mounts the images of the system's installation"]],
  parameters: { flags: { ...installationFlags, ...jsonFlag }, aliases: { j: "json" } },
  run,
});
