// SPDX-License-Identifier: Apache-2.0
import { describeForReading } from "../../engine/run/read.ts";
import type { Result } from "../../render/result.ts";
import { printableSpecification } from "../../sandbox/spec/print.ts";
import type { Context } from "../context.ts";
import { defineCommand } from "../define.ts";
import { textArgument } from "../flags.ts";
import { type RunFlags, runAliases, runFlags, toRunRequest } from "../runoptions.ts";

async function run(context: Context, flags: RunFlags, name: string): Promise<Result> {
  const { specification } = await describeForReading(toRunRequest(flags, name, context.words), context.signal);
  return { kind: "json", value: printableSpecification(specification) };
}

export default defineCommand<RunFlags, [string]>({
  brief: "Print the sandbox that an app would get, as JSON",
  description:
    "Takes the options of run. Nothing is started or made. Names are sorted, mounts are in the order they are made, so two outputs can be compared line by line.",
  examples: [
    ["plumbing spec org.example.App", "prints the app's sandbox"],
    ["plumbing spec org.example.App --share=network", "prints what one more permission makes of it"],
  ],
  parameters: {
    flags: runFlags,
    aliases: runAliases,
    positional: { kind: "tuple", parameters: [textArgument("App", "APP")] },
  } as never,
  run,
});
