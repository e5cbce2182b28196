// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";
import { configKeys, getConfig } from "../engine/config.ts";
import { nothing, type Result } from "../render/result.ts";
import type { Context } from "./context.ts";
import { defineCommand } from "./define.ts";
import { type InstallationFlags, installationFlags, jsonFlag, optionalArgument, textFlag } from "./flags.ts";
import { change, installationForChange, installationToShow } from "./transaction.ts";

interface Flags extends InstallationFlags {
  readonly list?: boolean;
  readonly get?: string;
  readonly set?: string;
  readonly unset?: string;
  readonly json?: boolean;
}

const unset = "*unset*";

function show(flags: Flags, only: string | undefined): Result {
  const installation = installationToShow(flags);
  const names = only === undefined ? configKeys : [only];
  const values = names.map((name) => [name, getConfig(installation, name)] as const);
  if (flags.json === true) return { kind: "json", value: Object.fromEntries(values) };
  if (only !== undefined) return { kind: "text", text: `${values[0]?.[1] ?? unset}\n` };
  return { kind: "text", text: values.map(([name, value]) => `${name}: ${value ?? unset}\n`).join("") };
}

async function run(context: Context, flags: Flags, first?: string, second?: string): Promise<Result> {
  const set = async (key: string, value: string | undefined): Promise<Result> => {
    await change(context, installationForChange(flags), { kind: "config", key, value });
    return nothing;
  };
  if (flags.get !== undefined) return show(flags, flags.get);
  if (flags.unset !== undefined) return await set(flags.unset, undefined);
  const key = flags.set ?? first;
  const value = flags.set === undefined ? second : first;
  if (flags.list === true || key === undefined) return show(flags, undefined);
  if (value === undefined && flags.set !== undefined) throw new DowelError("USAGE", `--set=${key} needs a value`);
  return value === undefined ? show(flags, key) : await set(key, value);
}

export default defineCommand<Flags, [string?, string?]>({
  brief: "Show or change how an installation behaves",
  description: `Keys: ${configKeys.join(", ")}. Lists have ; between their items.`,
  examples: [
    ["config", "shows all keys"],
    ["config --user languages 'de;en'", "sets the languages"],
    ["config --set keep-versions 3", "keeps three versions of everything to go back to"],
    ["config --unset sideload-repos", "takes a key away"],
  ],
  parameters: {
    flags: {
      ...installationFlags,
      ...jsonFlag,
      list: { kind: "boolean", brief: "Show all keys", optional: true, withNegated: false },
      get: textFlag("Show this key", "KEY"),
      set: textFlag("Set this key", "KEY"),
      unset: textFlag("Take this key away", "KEY"),
    },
    aliases: { u: "user", j: "json" },
    positional: {
      kind: "tuple",
      parameters: [optionalArgument("Key, or the value after --set", "KEY"), optionalArgument("Value", "VALUE")],
    },
  },
  run,
});
