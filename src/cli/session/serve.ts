// SPDX-License-Identifier: Apache-2.0
import { placesToRead } from "../../engine/places.ts";
import { instancesFolder } from "../../engine/run/instances.ts";
import { formatError } from "../../render/error.ts";
import { nothing, type Result } from "../../render/result.ts";
import { runFolder } from "../../sandbox/run-folder.ts";
import { activationSocket } from "../../session/service/activation.ts";
import { serveSession, sessionSocketPath } from "../../session/service/serve.ts";
import type { Context } from "../context.ts";
import { defineCommand } from "../define.ts";
import { lingerFlag } from "../flags.ts";

interface Flags {
  readonly linger?: number;
}

async function run(context: Context, flags: Flags): Promise<Result> {
  const { terminal, signal } = context;
  const folder = runFolder();
  await serveSession(
    {
      folder,
      instances: instancesFolder(),
      installations: placesToRead({}).map(({ path }) => path),
      listener: activationSocket(process.env, process.pid),
      environment: process.env,
      lingerMilliseconds: flags.linger,
      ready: () => terminal.out(`listening at ${sessionSocketPath(folder)}\n`),
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
