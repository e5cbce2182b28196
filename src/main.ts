// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "./base/errors.ts";
import { nearestWord } from "./base/suggest.ts";
import { answerBareOption } from "./cli/bareoptions.ts";
import { aliases, commands, takesNextWord } from "./cli/commands.ts";
import type { CommandSet } from "./cli/context.ts";
import { execute } from "./cli/execute.ts";
import { splitCommand } from "./cli/words.ts";
import { formatError } from "./render/error.ts";
import { processTerminal, type Terminal } from "./render/terminal.ts";

const set: CommandSet = { commands, aliases, takesNextWord };

function unknownCommand(name: string): DowelError {
  const inGroup = Object.keys(commands).filter((command) => command.startsWith(`${name} `));
  if (inGroup.length > 0) {
    return new DowelError(
      "USAGE",
      `'${name}' needs a further word: ${inGroup.map((command) => `'${command}'`).join(", ")}`,
    );
  }
  const near = nearestWord(name, [...Object.keys(commands), ...Object.keys(aliases)]);
  const question = near === undefined ? "" : `. Did you mean '${near}'?`;
  return new DowelError("USAGE", `'${name}' is not a dowel command${question}`, { hint: "See 'dowel --help'" });
}

/** Fires on the first SIGINT, SIGTERM or SIGHUP; a second one ends the process at once. */
function cancelOnSignals(): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(1);
      controller.abort(new Error(`Received ${name}`));
    });
  }
  return controller.signal;
}

async function runCommand(
  name: string,
  rest: readonly string[],
  words: readonly string[],
  terminal: Terminal,
): Promise<number> {
  const entry = commands[aliases[name] ?? name];
  if (entry === undefined) throw unknownCommand(name);
  // What is installed must be readable for everybody; an app that is started keeps its caller's mask.
  if (name !== "run") process.umask(0o022);
  const { default: defined } = await entry.load();
  return await execute(name, defined, rest, { words, terminal, signal: cancelOnSignals(), set });
}

/** The launcher tells the engine how to run by variables, which nothing that is started here is to have. */
function forgetEngineOptions(): void {
  for (const name of Object.keys(process.env)) if (name.startsWith("BUN_")) delete process.env[name];
}

async function main(words: readonly string[], terminal: Terminal): Promise<number> {
  try {
    const { name, rest } = splitCommand(words[0] === "help" ? [...words.slice(1), "--help"] : words, takesNextWord);
    if (name !== undefined) return await runCommand(name, rest, words, terminal);
    const answer = await answerBareOption(rest, set);
    if (answer === undefined) throw new DowelError("USAGE", "No command given", { hint: "See 'dowel --help'" });
    terminal.out(answer);
    return 0;
  } catch (error) {
    terminal.err(formatError(error));
    return 1;
  }
}

forgetEngineOptions();
process.exit(await main(process.argv.slice(2), processTerminal()));
