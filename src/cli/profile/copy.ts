// SPDX-License-Identifier: Apache-2.0
import { copySet } from "../../engine/data/change.ts";
import { dataSet } from "../../engine/data/sets.ts";
import { nothing, type Result } from "../../render/result.ts";
import type { Context } from "../context.ts";
import { defineCommand } from "../define.ts";
import { jsonFlag, textArgument } from "../flags.ts";

interface Flags {
  readonly json?: boolean;
}

async function run(context: Context, flags: Flags, id: string, from: string, to: string): Promise<Result> {
  const target = dataSet(id, to);
  await copySet(dataSet(id, from), target, context.signal);
  return flags.json === true ? { kind: "json", value: { application: id, profile: to, path: target.path } } : nothing;
}

export default defineCommand<Flags, [string, string, string]>({
  brief: "Copy a profile of an app to a new one",
  description: "Data and overrides are copied. The app must not run with either.",
  examples: [
    ["profile copy org.example.App default work", "begins a profile with the data that the app has"],
    ["profile copy --json org.example.App work spare", "copies a profile and says where the copy is"],
  ],
  parameters: {
    flags: { ...jsonFlag },
    aliases: { j: "json" },
    positional: {
      kind: "tuple",
      parameters: [textArgument("App", "APP"), textArgument("Profile", "FROM"), textArgument("New profile", "TO")],
    },
  },
  run,
});
