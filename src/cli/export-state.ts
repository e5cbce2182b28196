// SPDX-License-Identifier: Apache-2.0
import { plainState, readState } from "../engine/state/read.ts";
import { formatYaml } from "../formats/document/yaml.ts";
import type { Result } from "../render/result.ts";
import type { Context } from "./context.ts";
import { defineCommand } from "./define.ts";
import { type InstallationFlags, installationFlags, jsonFlag } from "./flags.ts";
import { installationToShow } from "./transaction.ts";

interface Flags extends InstallationFlags {
  readonly json?: boolean;
}

function run(_context: Context, flags: Flags): Result {
  const value = plainState(readState(installationToShow(flags)));
  return flags.json === true ? { kind: "json", value } : { kind: "text", text: formatYaml(value) };
}

export default defineCommand<Flags, []>({
  brief: "Write what an installation has, for apply",
  examples: [
    ["export-state --user > state.yml", "writes the user's remotes, apps, pins, masks, overrides and configuration"],
    ["export-state --json", "writes JSON"],
  ],
  parameters: { flags: { ...installationFlags, ...jsonFlag }, aliases: { u: "user", j: "json" } },
  run,
});
