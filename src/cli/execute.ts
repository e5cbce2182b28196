// SPDX-License-Identifier: Apache-2.0
import { buildApplication, run, type StricliProcess, text_en } from "@stricli/core";
import { formatError } from "../render/error.ts";
import type { Context } from "./context.ts";
import type { DefinedCommand } from "./define.ts";
import { usageError } from "./usage.ts";
import { endOptionsAtFirstArgument, leaveOutVerbose, spellOutEmptyValues } from "./words.ts";

/** The words of a command as its scanner takes them. */
function inputsOf(defined: DefinedCommand, rest: readonly string[]): readonly string[] {
  if (defined.readsItsOptions) return rest.length === 1 && rest[0] === "--help" ? rest : ["--", ...rest];
  const { optionsWithValue, optionsEndAtFirstArgument, hasVerbose } = defined;
  const words = hasVerbose ? rest : leaveOutVerbose(rest, optionsWithValue, optionsEndAtFirstArgument);
  const spell = optionsEndAtFirstArgument ? endOptionsAtFirstArgument : spellOutEmptyValues;
  return spell(words, optionsWithValue);
}

/** Runs a command with the words behind its name, and answers its exit status. What it has to say goes to the terminal. */
export async function execute(
  name: string,
  defined: DefinedCommand,
  rest: readonly string[],
  caller: Pick<Context, "words" | "terminal" | "signal" | "set">,
): Promise<number> {
  const { terminal } = caller;
  const streams: StricliProcess = {
    stdout: { write: terminal.out },
    stderr: { write: terminal.err },
    env: process.env,
    exitCode: null,
  };
  const context: Context = { process: streams, ...caller };
  const application = buildApplication<Context>(defined.command, {
    name: `dowel ${name}`,
    scanner: { caseStyle: "allow-kebab-for-camel", allowArgumentEscapeSequence: true },
    documentation: { disableAnsiColor: !terminal.fancy, useAliasInUsageLine: false },
    localization: {
      text: {
        ...text_en,
        exceptionWhileParsingArguments: (error) => formatError(usageError(error, name)).trimEnd(),
      },
    },
  });
  await run(application, inputsOf(defined, rest), context);
  return streams.exitCode === null || streams.exitCode === 0 ? 0 : 1;
}
