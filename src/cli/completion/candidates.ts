// SPDX-License-Identifier: Apache-2.0
import { isDowelError } from "../../base/errors.ts";
import { bareOptions } from "../bareoptions.ts";
import type { CommandSet } from "../context.ts";
import { splitCommand } from "../words.ts";
import type { TypedLine } from "./line.ts";
import { possibleValues } from "./values.ts";
import { type Wanted, wantedBy } from "./wanted.ts";

/** Names of commands behind the words that are there already: none, or the first of two. */
function commandNames(words: readonly string[], { commands, aliases }: CommandSet): string[] {
  const beginning = words.map((word) => `${word} `).join("");
  const shown = Object.entries(commands).flatMap(([name, { hidden }]) => (hidden === true ? [] : [name]));
  const all = [...shown, ...(words.length === 0 ? Object.keys(aliases) : [])];
  const next = all.filter((name) => name.startsWith(beginning)).map((name) => name.slice(beginning.length));
  return [...new Set(next.map((name) => `${name.split(" ", 1)[0] ?? ""} `))].sort();
}

function optionWords(wanted: Extract<Wanted, { kind: "options" }>): string[] {
  const own = wanted.options.map(({ names: [name], placeholder }) =>
    placeholder === undefined ? `${name} ` : `${name}=`,
  );
  return [...own, "--help "].sort();
}

/** A shell goes on behind what ends in a space, and waits for more behind all else. */
function ended(value: string): string {
  return value.startsWith("__") || value.endsWith("=") ? value : `${value} `;
}

/** A value that cannot be had, for a remote that is damaged, is none: a line that is typed is no place for errors. */
async function valuesOf({ values, placeholder, before }: Extract<Wanted, { kind: "value" }>): Promise<string[]> {
  if (values.length > 0) return [...values];
  try {
    return await possibleValues(placeholder, before);
  } catch (error) {
    if (isDowelError(error)) return [];
    throw error;
  }
}

async function allFor(
  { words, current }: TypedLine,
  set: CommandSet,
): Promise<{ readonly typed: string; readonly found: string[] }> {
  const { name, rest } = splitCommand(words, set.takesNextWord);
  const entry = name === undefined ? undefined : set.commands[set.aliases[name] ?? name];
  if (entry === undefined) {
    const bare = [...bareOptions.map(([option]) => option), "--help"].map(ended);
    const found = current.startsWith("-")
      ? bare
      : commandNames(
          words.filter((word) => !word.startsWith("-")),
          set,
        );
    return { typed: current, found };
  }
  const wanted = wantedBy((await entry.load()).default, { words: rest, current });
  if (wanted.kind === "nothing") return { typed: current, found: [] };
  if (wanted.kind === "options") return { typed: current, found: optionWords(wanted) };
  const second = rest.length === 0 ? commandNames(words, set) : [];
  return { typed: wanted.typed, found: [...second, ...(await valuesOf(wanted)).map(ended)] };
}

/**
 * What may stand at the cursor, as Flatpak's `complete` answers it: whole words, of a value given with `=` the part behind
 * that; with a space behind what is complete; `__FLATPAK_FILE` and `__FLATPAK_DIR` where files or folders may stand.
 */
export async function candidatesFor(line: TypedLine, set: CommandSet): Promise<string[]> {
  const { typed, found } = await allFor(line, set);
  return found.filter((word) => word.startsWith("__") || word.startsWith(typed));
}
