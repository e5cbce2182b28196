// SPDX-License-Identifier: Apache-2.0

/** What a command says of itself, in the shape in which it is defined. */
export interface CommandSource {
  readonly brief: string;
  readonly description?: string | undefined;
  readonly examples: readonly (readonly [words: string, effect: string])[];
  readonly usage: string;
  readonly flags: Readonly<Record<string, FlagSource>>;
  /** Letters, and the flags that they stand for. */
  readonly aliases: Readonly<Record<string, string>>;
  readonly positional: PositionalSource | undefined;
  /** Names that `--columns` takes. */
  readonly columns: readonly string[];
}

export interface FlagSource {
  readonly kind: string;
  readonly brief?: string;
  readonly placeholder?: string;
  readonly values?: readonly string[];
}

export interface ParameterSource {
  readonly placeholder?: string;
  readonly optional?: boolean;
}

export type PositionalSource =
  | { readonly kind: "array"; readonly parameter: ParameterSource; readonly minimum?: number }
  | { readonly kind: "tuple"; readonly parameters: readonly ParameterSource[] };

/** An option as a person types it. */
export interface Option {
  /** With their dashes, the long one first. */
  readonly names: readonly [string, ...string[]];
  readonly brief: string;
  /** What stands for its value; undefined for a switch. */
  readonly placeholder: string | undefined;
  /** All values that it takes, where they are few. */
  readonly values: readonly string[];
}

/** `showDetails` as `show-details`. */
function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** The options of a command. */
export function optionsOf({ flags, aliases }: Pick<CommandSource, "flags" | "aliases">): Option[] {
  return Object.entries(flags).map(([name, flag]) => {
    const letters = Object.entries(aliases).flatMap(([letter, long]) => (long === name ? [`-${letter}`] : []));
    const values = flag.values ?? [];
    const takesValue = flag.kind === "parsed" || flag.kind === "enum";
    const placeholder = takesValue ? (flag.placeholder ?? (values.join("|") || "VALUE")) : undefined;
    return { names: [`--${kebab(name)}`, ...letters], brief: flag.brief ?? "", placeholder, values };
  });
}

/** Names of options that take the next word as their value, with their dashes. */
export function namesWithValue(options: readonly Option[]): Set<string> {
  return new Set(options.flatMap(({ names, placeholder }) => (placeholder === undefined ? [] : names)));
}

/**
 * What stands for the argument at a place, counted from 0; undefined where the command takes no more. Of an array with
 * several names (`TABLE [ID]`), the last stands for all that follow.
 */
export function placeholderAt(positional: PositionalSource | undefined, at: number): string | undefined {
  if (positional?.kind !== "array") return positional?.parameters[at]?.placeholder;
  const names = positional.parameter.placeholder?.split(" ") ?? [];
  return names[Math.min(at, names.length - 1)]?.replace(/^\[(.*)\]$/, "$1");
}
