// SPDX-License-Identifier: Apache-2.0
import { version } from "../../base/version.ts";
import { formatError } from "../../render/error.ts";
import { nothing, type Result } from "../../render/result.ts";
import { parseProxyWords } from "../../session/proxy/options.ts";
import { runProxy } from "../../session/proxy/run.ts";
import type { Context } from "../context.ts";
import { defineCommand } from "../define.ts";
import { textArgument } from "../flags.ts";

async function run(context: Context, _flags: object, ...words: string[]): Promise<Result> {
  const { terminal } = context;
  if (words.includes("--version")) return { kind: "text", text: `Dowel ${version}\n` };
  await runProxy(
    parseProxyWords(words),
    { log: terminal.out, failed: (reason) => terminal.err(formatError(reason)) },
    context.signal,
  );
  return nothing;
}

export default defineCommand<object, string[]>({
  brief: "Serve a filtered D-Bus socket, as xdg-dbus-proxy does",
  description:
    "Takes the words of xdg-dbus-proxy(1): --version, --fd=FD and --args=FD, and behind each ADDRESS PATH the options --filter, --log, --sloppy-names, --see=NAME, --talk=NAME, --own=NAME, --call=NAME=RULE and --broadcast=NAME=RULE.",
  examples: [
    [
      "plumbing bus-proxy unix:path=/run/user/1000/bus /tmp/bus --filter --talk=org.freedesktop.portal.*",
      "lets clients of /tmp/bus talk to the portals alone",
    ],
    ["plumbing bus-proxy --fd=3 --args=4", "reads its words from a descriptor, and ends with another"],
  ],
  parameters: { positional: { kind: "array", parameter: textArgument("Words of xdg-dbus-proxy", "WORD"), minimum: 1 } },
  readsItsOptions: true,
  run,
});
