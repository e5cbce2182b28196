// SPDX-License-Identifier: Apache-2.0
import { killInstances } from "../engine/run/instances.ts";
import { nothing, type Result } from "../render/result.ts";
import type { Context } from "./context.ts";
import { defineCommand } from "./define.ts";
import { jsonFlag, textArgument } from "./flags.ts";

interface Flags {
  readonly json?: boolean;
}

function run(_context: Context, flags: Flags, word: string): Result {
  const killed = killInstances(word);
  if (flags.json !== true) return nothing;
  return { kind: "json", value: killed.map(({ instance, application, pid }) => ({ instance, application, pid })) };
}

export default defineCommand<Flags, [string]>({
  brief: "End running apps",
  description: "All processes of the sandbox end at once and without being asked, whatever they have started.",
  examples: [
    ["kill org.example.App", "ends all instances of an app"],
    ["kill 4711", "ends one instance, by its number in: dowel ps"],
  ],
  parameters: {
    flags: jsonFlag,
    aliases: { j: "json" },
    positional: { kind: "tuple", parameters: [textArgument("Number of an instance, or id of an app", "INSTANCE")] },
  },
  run,
});
