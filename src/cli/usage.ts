// SPDX-License-Identifier: Apache-2.0
import {
  AliasNotFoundError,
  ArgumentParseError,
  EnumValidationError,
  FlagNotFoundError,
  UnexpectedFlagError,
  UnexpectedPositionalError,
  UnsatisfiedFlagError,
  UnsatisfiedPositionalError,
} from "@stricli/core";
import { DowelError } from "../base/errors.ts";
import { nearestWord } from "../base/suggest.ts";
import type { ParameterSource, PositionalSource } from "./about.ts";

function describe(error: unknown): string {
  if (error instanceof FlagNotFoundError) {
    const near = nearestWord(error.input, error.corrections);
    return `Unknown option --${error.input}${near === undefined ? "" : `. Did you mean --${near}?`}`;
  }
  if (error instanceof AliasNotFoundError) return `Unknown option -${error.input}`;
  if (error instanceof UnexpectedPositionalError) return `Unexpected word ${JSON.stringify(error.input)}`;
  if (error instanceof UnsatisfiedPositionalError) return `${error.placeholder} is missing`;
  if (error instanceof UnsatisfiedFlagError) return `--${error.externalFlagName} needs a value`;
  if (error instanceof UnexpectedFlagError) return `--${error.externalFlagName} is given twice`;
  if (error instanceof EnumValidationError) {
    return `--${error.externalFlagName}=${error.input}: expected one of ${error.values.join(", ")}`;
  }
  if (error instanceof ArgumentParseError) {
    const { exception, externalFlagNameOrPlaceholder: name, input } = error;
    const reason = exception instanceof Error ? exception.message : String(exception);
    return `${/^[a-z]/.test(name) ? `--${name}=` : `${name} `}${JSON.stringify(input)}: ${reason}`;
  }
  return error instanceof Error ? error.message : String(error);
}

/** What is wrong with the words of a command. */
export function usageError(error: unknown, command: string): DowelError {
  return new DowelError("USAGE", describe(error), { hint: `See 'dowel ${command} --help'` });
}

/** The arguments of a command in one line: `[OPTION…] NAME [BRANCH]`. */
export function usageLine(positional: PositionalSource | undefined): string {
  const one = ({ placeholder = "WORD", optional = false }: ParameterSource): string =>
    optional ? `[${placeholder}]` : placeholder;
  if (positional === undefined) return "[OPTION…]";
  if (positional.kind === "tuple") return ["[OPTION…]", ...positional.parameters.map(one)].join(" ");
  const name = `${positional.parameter.placeholder ?? "WORD"}…`;
  return `[OPTION…] ${(positional.minimum ?? 0) > 0 ? name : `[${name}]`}`;
}
