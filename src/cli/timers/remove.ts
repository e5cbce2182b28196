// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import type { Result } from "../../render/result.ts";
import { TimerFiles } from "../../session/timers/files.ts";
import type { Context } from "../context.ts";
import { defineCommand } from "../define.ts";
import { jsonFlag, optionalArgument, textArgument } from "../flags.ts";
import { textLines } from "../lines.ts";

interface Flags {
  readonly json?: boolean;
}

async function run({ signal }: Context, flags: Flags, app: string, name: string | undefined): Promise<Result> {
  const files = new TimerFiles(process.env);
  let removed: readonly string[] = [];
  if (name === undefined) {
    removed = files.owners().includes(app) ? [app] : [];
    await files.clear(app, signal);
  } else {
    await files.change(
      app,
      (before) => {
        removed = before.filter((timer) => timer.name === name).map((timer) => timer.name);
        return removed.length === 0 ? before : before.filter((timer) => timer.name !== name);
      },
      signal,
    );
  }
  if (removed.length === 0) {
    const what = name === undefined ? "no timers" : `no timer ${JSON.stringify(name)}`;
    throw new DowelError("TIMER_NOT_FOUND", `${app} has ${what}`, {
      hint: "See what there is with: dowel timers list",
    });
  }
  if (flags.json === true) return { kind: "json", value: { app, name: name ?? null } };
  return textLines([name === undefined ? `Removed all timers of ${app}` : `Removed ${name} of ${app}`]);
}

export default defineCommand<Flags, [string, string?]>({
  brief: "Take a wake-up away from an app, or all of them",
  description: "To keep an app from setting more: dowel permission-set timers timers APP no",
  examples: [
    ["timers remove org.example.Clock alarm", "removes one by its name"],
    ["timers remove org.example.Clock", "removes all of the app"],
  ],
  parameters: {
    flags: jsonFlag,
    aliases: { j: "json" },
    positional: {
      kind: "tuple",
      parameters: [textArgument("App", "APP"), optionalArgument("Name of the timer", "NAME")],
    },
  },
  run,
});
