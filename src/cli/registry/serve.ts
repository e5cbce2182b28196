// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { serveRegistry } from "../../registry/server.ts";
import { nothing, type Result } from "../../render/result.ts";
import { type Context, withReporter } from "../context.ts";
import { defineCommand } from "../define.ts";
import { jsonFlag, switchFlag, textArgument, textFlag } from "../flags.ts";

interface Flags {
  readonly listen?: string;
  readonly verbose?: boolean;
  readonly json?: boolean;
}

async function run(context: Context, flags: Flags, folder: string): Promise<Result> {
  return withReporter(context, flags.json === true, async (report) => {
    await using _registry = await serveRegistry({
      folder,
      listen: flags.listen ?? "127.0.0.1:5000",
      report: (event) => (event.type === "registry.request" && flags.verbose !== true ? undefined : report(event)),
    });
    if (!context.signal.aborted) await once(context.signal, "abort");
    return nothing;
  });
}

export default defineCommand<Flags, [string]>({
  brief: "Serve a folder as an OCI registry",
  description:
    "Speaks the distribution API and Flatpak's static index, over plain HTTP and without a login: keep it on loopback or behind a proxy. Ends at SIGINT or SIGTERM.",
  examples: [
    ["registry serve /srv/images", "listens on 127.0.0.1:5000"],
    ["registry serve --listen=127.0.0.1:0 --json /srv/images", "takes a free port and tells it as JSON"],
  ],
  parameters: {
    flags: {
      ...jsonFlag,
      listen: textFlag("Address to listen on; port 0 takes a free one", "HOST:PORT"),
      verbose: switchFlag("Show every request"),
    },
    aliases: { v: "verbose", j: "json" },
    positional: {
      kind: "tuple",
      parameters: [textArgument("Folder of the registry; made where it is missing", "FOLDER")],
    },
  },
  run,
});
