// SPDX-License-Identifier: Apache-2.0

export interface CommandWords {
  /** `install`, `registry serve`; undefined where no word names a command. */
  readonly name: string | undefined;
  /** Everything else, options that stood before the command included, in the order typed. */
  readonly rest: readonly string[];
}

/** Options of every command that take the next word, and so may stand before the command with it. */
const globalOptionsWithValue: ReadonlySet<string> = new Set(["--installation"]);

/** Options of Flatpak that change what it says of its own work; there is nothing more to be said here. */
const ignored: ReadonlySet<string> = new Set(["-v", "-vv", "--verbose", "--ostree-verbose"]);

/**
 * Finds the command among the words: the first that is no option, wherever it stands, as Flatpak does.
 * `takesNext` says which words (`registry`, `plumbing`) take the next such word with them.
 */
export function splitCommand(
  words: readonly string[],
  takesNext: (word: string, next: string) => boolean,
): CommandWords {
  const rest: string[] = [];
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? "";
    if (word === "--") break;
    if (word.startsWith("-") && word !== "-") {
      if (ignored.has(word)) continue;
      rest.push(word);
      if (globalOptionsWithValue.has(word)) rest.push(words[++index] ?? "");
      continue;
    }
    const next = words[index + 1];
    const grouped = next !== undefined && !next.startsWith("-") && takesNext(word, next);
    return {
      name: grouped ? `${word} ${next}` : word,
      rest: [...rest, ...words.slice(index + (grouped ? 2 : 1))],
    };
  }
  return { name: undefined, rest };
}

/**
 * Puts `--` before the first word that is neither an option nor an option's value, so that no later word is read as one.
 * An empty value becomes a word of its own, since `--name=` is not understood.
 */
export function endOptionsAtFirstArgument(words: readonly string[], optionsWithValue: ReadonlySet<string>): string[] {
  const options: string[] = [];
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? "";
    if (word === "--") return [...options, ...words.slice(index)];
    if (!word.startsWith("-") || word === "-") return [...options, "--", ...words.slice(index)];
    const name = word.slice(0, -1);
    if (word.endsWith("=") && optionsWithValue.has(name)) options.push(name, "");
    else options.push(word);
    if (optionsWithValue.has(word) && index + 1 < words.length) options.push(words[++index] ?? "");
  }
  return options;
}

/** Makes a word of its own of every empty value, up to `--`, since the scanner does not understand `--name=`. */
export function spellOutEmptyValues(words: readonly string[], optionsWithValue: ReadonlySet<string>): string[] {
  const end = words.indexOf("--");
  return words.flatMap((word, at) => {
    const isEmpty = word.endsWith("=") && (end < 0 || at < end) && optionsWithValue.has(word.slice(0, -1));
    return isEmpty ? [word.slice(0, -1), ""] : [word];
  });
}

/** Leaves out what Flatpak's commands all take and nothing here needs: `-v`, `--verbose`, `--ostree-verbose`. */
export function leaveOutVerbose(
  words: readonly string[],
  optionsWithValue: ReadonlySet<string>,
  endAtFirstArgument: boolean,
): string[] {
  const kept: string[] = [];
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? "";
    if (word === "--" || (endAtFirstArgument && !word.startsWith("-"))) return [...kept, ...words.slice(index)];
    if (ignored.has(word)) continue;
    kept.push(word);
    if (optionsWithValue.has(word) && index + 1 < words.length) kept.push(words[++index] ?? "");
  }
  return kept;
}

/**
 * The options of the given names in the order typed, each as `--name=value`, up to the first argument. The order
 * counts where a later option undoes an earlier one.
 */
export function orderedOptions(
  words: readonly string[],
  optionsWithValue: ReadonlySet<string>,
  wanted: (name: string) => boolean,
  endAtFirstArgument: boolean,
): string[] {
  const result: string[] = [];
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? "";
    if (word === "--" || (endAtFirstArgument && !word.startsWith("-"))) break;
    const [name = ""] = word.split("=", 1);
    const takesNext = word === name && optionsWithValue.has(name);
    if (wanted(name)) result.push(takesNext ? `${name}=${words[index + 1] ?? ""}` : word);
    if (takesNext) index += 1;
  }
  return result;
}
