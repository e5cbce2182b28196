// SPDX-License-Identifier: Apache-2.0
import { escapeForTerminal } from "../../base/text.ts";
import { formatError } from "../../render/error.ts";
import { nothing, type Result } from "../../render/result.ts";
import { serviceName } from "../../system/names.ts";
import { serveSystem } from "../../system/service/serve.ts";
import type { Context } from "../context.ts";
import { defineCommand } from "../define.ts";
import { lingerFlag } from "../flags.ts";

interface Flags {
  readonly linger?: number;
}

async function run({ terminal, signal }: Context, flags: Flags): Promise<Result> {
  await serveSystem(
    {
      lingerMilliseconds: flags.linger,
      ready: () => terminal.out(`serving ${serviceName}\n`),
      log: (line) => terminal.err(`${escapeForTerminal(line)}\n`),
      failed: (reason) => terminal.err(formatError(reason)),
    },
    signal,
  );
  return nothing;
}

export default defineCommand<Flags, []>({
  brief: "Change the system's installations for users who may",
  description:
    "For root, started by the system bus: installs, updates and removes what users ask for with --system, where polkit permits it. Everything is fetched and verified by the service itself.",
  examples: [
    ["system serve", "serves until it is told to end"],
    ["system serve --linger=60", "ends when nothing was asked for a minute"],
  ],
  parameters: { flags: { linger: lingerFlag("End after this long without work") } },
  run,
});
