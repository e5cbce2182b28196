// SPDX-License-Identifier: Apache-2.0
import { type BaseArgs, buildCommand, type Command, type TypedCommandParameters } from "@stricli/core";
import { isDowelError } from "../base/errors.ts";
import { formatError, formatErrorJson } from "../render/error.ts";
import { printResult, type Result } from "../render/result.ts";
import type { Column } from "../render/table.ts";
import type { Terminal } from "../render/terminal.ts";
import { type CommandSource, type FlagSource, namesWithValue, optionsOf, type PositionalSource } from "./about.ts";
import type { Context } from "./context.ts";
import { usageLine } from "./usage.ts";

/** The same properties as a type of its own, which stricli takes where it does not take an interface. */
type Plain<T> = { readonly [K in keyof T]: T[K] };

export interface CommandSpec<FLAGS extends object, ARGS extends BaseArgs> {
  readonly brief: string;
  /** What `--help` says below the brief. */
  readonly description?: string;
  /** Words after `dowel`, and what they do. */
  readonly examples: readonly (readonly [words: string, effect: string])[];
  readonly parameters: TypedCommandParameters<Plain<FLAGS>, ARGS, Context>;
  /** What `--columns` chooses from. */
  readonly columns?: readonly Column[];
  readonly run: (context: Context, flags: FLAGS, ...args: ARGS) => Result | Promise<Result>;
  /** Options end at the first word that is not one, as for `run`. */
  readonly optionsEndAtFirstArgument?: boolean;
  /** All words but a lone `--help` are arguments: the command reads its options itself. */
  readonly readsItsOptions?: boolean;
}

export interface DefinedCommand {
  readonly command: Command<Context>;
  /** For its manual page and for completion. */
  readonly source: CommandSource;
  /** Names of options that take the next word as their value, with their dashes. */
  readonly optionsWithValue: ReadonlySet<string>;
  readonly optionsEndAtFirstArgument: boolean;
  readonly readsItsOptions: boolean;
  /** It has more to say with `--verbose`; elsewhere that option is taken and means nothing. */
  readonly hasVerbose: boolean;
}

function describe(
  brief: string,
  description: string | undefined,
  examples: CommandSpec<object, BaseArgs>["examples"],
): string {
  const lines = examples.map(([words, effect]) => `  dowel ${words}\n      ${effect}`);
  const parts = [brief, ...(description === undefined ? [] : [description]), ["Examples:", ...lines].join("\n")];
  return parts.join("\n\n");
}

/** The error as JSON, unless the error is that standard output cannot be written. */
function tellJson(terminal: Terminal, error: unknown): void {
  try {
    terminal.out(formatErrorJson(error));
  } catch (second) {
    if (!isDowelError(second)) throw second;
  }
}

function sourceOf<FLAGS extends object, ARGS extends BaseArgs>(spec: CommandSpec<FLAGS, ARGS>): CommandSource {
  const { brief, description, examples, columns = [] } = spec;
  const { flags, aliases, positional } = spec.parameters as {
    readonly flags?: Readonly<Record<string, FlagSource>>;
    readonly aliases?: Readonly<Record<string, string>>;
    readonly positional?: PositionalSource;
  };
  return {
    ...{ brief, description, examples, positional, flags: flags ?? {}, aliases: aliases ?? {} },
    usage: usageLine(positional),
    columns: columns.map(({ name }) => name),
  };
}

/** Makes a command of its data: what it takes, what it says of itself, and the function that answers a result. */
export function defineCommand<FLAGS extends object, ARGS extends BaseArgs>(
  spec: CommandSpec<FLAGS, ARGS>,
): DefinedCommand {
  const source = sourceOf(spec);
  async function run(this: Context, flags: FLAGS, ...args: ARGS): Promise<void> {
    try {
      printResult(await spec.run(this, flags, ...args), this.terminal);
    } catch (error) {
      this.process.exitCode = 1;
      this.terminal.err(formatError(error));
      if ("json" in flags && flags.json === true) tellJson(this.terminal, error);
    }
  }
  return {
    command: buildCommand<Plain<FLAGS>, ARGS, Context>({
      func: run,
      parameters: spec.parameters,
      docs: {
        brief: spec.brief,
        fullDescription: describe(spec.brief, spec.description, spec.examples),
        customUsage: [source.usage],
      },
    }),
    source,
    optionsWithValue: namesWithValue(optionsOf(source)),
    optionsEndAtFirstArgument: spec.optionsEndAtFirstArgument ?? false,
    readsItsOptions: spec.readsItsOptions ?? false,
    hasVerbose: source.flags["verbose"] !== undefined,
  };
}
