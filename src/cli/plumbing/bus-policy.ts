// SPDX-License-Identifier: Apache-2.0
import { describeForReading } from "../../engine/run/read.ts";
import type { Result } from "../../render/result.ts";
import { busOptionsOf } from "../../sandbox/spec/bus-options.ts";
import type { PrintedPolicy } from "../../session/service/policy.ts";
import type { Context } from "../context.ts";
import { defineCommand } from "../define.ts";
import { switchFlag, textArgument } from "../flags.ts";
import { type RunFlags, runAliases, runFlags, toRunRequest } from "../runoptions.ts";

async function run(context: Context, flags: RunFlags, name: string): Promise<Result> {
  const { specification } = await describeForReading(toRunRequest(flags, name, context.words), context.signal);
  const { buses, identity } = specification;
  const filtered = (["session", "system", "a11y"] as const).filter((bus) => buses[bus].access !== "whole");
  const value: PrintedPolicy = {
    app: identity.id,
    buses: Object.fromEntries(filtered.map((bus) => [bus, busOptionsOf(bus, buses[bus])])),
  };
  return { kind: "json", value };
}

export default defineCommand<RunFlags, [string]>({
  brief: "Print what an app would be allowed on the buses, as JSON",
  description:
    "Takes the options of run. Rules are options of xdg-dbus-proxy(1); a bus that the app would have as it is has none.",
  examples: [["plumbing bus-policy org.example.App", "prints the app's rules for each bus"]],
  parameters: {
    flags: {
      ...runFlags,
      fileForwarding: switchFlag("Changes nothing here"),
      trace: switchFlag("Changes nothing here"),
    },
    aliases: runAliases,
    positional: { kind: "tuple", parameters: [textArgument("App", "APP")] },
  } as never,
  run,
});
