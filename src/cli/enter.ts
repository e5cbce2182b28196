// SPDX-License-Identifier: Apache-2.0
import { enterInstance } from "../engine/run/instances.ts";
import type { Context } from "./context.ts";
import { defineCommand } from "./define.ts";
import { textArgument } from "./flags.ts";

function run(_context: Context, _flags: object, word: string, ...command: string[]): never {
  return enterInstance(word, command.length === 0 ? ["/bin/sh"] : command);
}

export default defineCommand<object, [string, ...string[]]>({
  brief: "Run a command in the sandbox of a running app",
  description:
    "The command sees what the app sees and may what the app may. All words after the instance belong to the command; " +
    "without any it is a shell. The exit code is the command's.",
  examples: [
    ["enter org.example.App", "opens a shell beside the app"],
    ["enter 4711 ls /app", "lists the app's files in one instance, by its number in: dowel ps"],
  ],
  parameters: {
    flags: {},
    positional: { kind: "array", parameter: textArgument("Instance, then a command", "INSTANCE"), minimum: 1 },
  } as never,
  optionsEndAtFirstArgument: true,
  run,
});
