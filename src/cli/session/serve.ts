// SPDX-License-Identifier: Apache-2.0
import { placesToRead } from "../../engine/places.ts";
import { instancesFolder } from "../../engine/run/instances.ts";
import { formatError } from "../../render/error.ts";
import { nothing, type Result } from "../../render/result.ts";
import { runFolder } from "../../sandbox/run-folder.ts";
import { forgetCompiled } from "../../sys/memory.ts";
import { setCompileReluctance } from "../../sys/runtime.ts";
import type { Context } from "../context.ts";
import { defineCommand } from "../define.ts";
import { lingerFlag } from "../flags.ts";

interface Flags {
  readonly linger?: number;
}

/** Nothing is compiled of what runs while the service starts, and later only what runs very often. */
const reluctance = { start: 100, later: 4 };

async function run(context: Context, flags: Flags): Promise<Result> {
  const { terminal, signal } = context;
  const folder = runFolder();
  setCompileReluctance(reluctance.start);
  const { activationSocket } = await import("../../session/service/activation.ts");
  const { serveSession, sessionSocketPath } = await import("../../session/service/serve.ts");
  await serveSession(
    {
      folder,
      instances: instancesFolder(),
      installations: placesToRead({}).map(({ path }) => path),
      listener: activationSocket(process.env, process.pid),
      environment: process.env,
      lingerMilliseconds: flags.linger,
      ready: () => {
        terminal.out(`listening at ${sessionSocketPath(folder)}\n`);
        setCompileReluctance(reluctance.later);
        // What the start has left would stay between all that comes now.
        forgetCompiled();
      },
      failed: (reason) => terminal.err(formatError(reason)),
    },
    signal,
  );
  return nothing;
}

export default defineCommand<Flags, []>({
  brief: "Serve the buses of all running apps",
  description:
    "One process for all apps of a user. Takes its socket from a service manager where there is one, and ends at SIGTERM or, with --linger, when no app has run for a while.",
  examples: [
    ["session serve", "serves until it is told to end"],
    ["session serve --linger=60", "ends when no app has run for a minute"],
  ],
  parameters: { flags: { linger: lingerFlag("End after this long without apps") } },
  run,
});
