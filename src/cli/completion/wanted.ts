// SPDX-License-Identifier: Apache-2.0
import { namesWithValue, type Option, optionsOf, placeholderAt } from "../about.ts";
import type { DefinedCommand } from "../define.ts";
import type { TypedLine } from "./line.ts";

/** What may stand at the cursor. */
export type Wanted =
  | { readonly kind: "options"; readonly options: readonly Option[] }
  | {
      readonly kind: "value";
      /** As in the help: `APP`, `FILE`. */
      readonly placeholder: string;
      /** All that it may be, where that is known already. */
      readonly values: readonly string[];
      /** What was typed of it. */
      readonly typed: string;
      /** Arguments before it. */
      readonly before: readonly string[];
    }
  | { readonly kind: "nothing" };

/** The words of a command that are no options. */
interface Scanned {
  readonly before: readonly string[];
  /** The option whose value comes next, by its name. */
  readonly open: string | undefined;
  readonly optionsEnded: boolean;
}

function scan(words: readonly string[], withValue: ReadonlySet<string>, endAtFirst: boolean): Scanned {
  const before: string[] = [];
  let open: string | undefined;
  let optionsEnded = false;
  for (const word of words) {
    if (open !== undefined) open = undefined;
    else if (optionsEnded || !word.startsWith("-") || word === "-") {
      before.push(word);
      optionsEnded ||= endAtFirst;
    } else if (word === "--") optionsEnded = true;
    else if (withValue.has(word)) open = word;
  }
  return { before, open, optionsEnded };
}

/** What may stand at the cursor behind a command's name; `words` are those between. */
export function wantedBy(command: DefinedCommand, { words, current }: TypedLine): Wanted {
  const options = optionsOf(command.source);
  const { before, open, optionsEnded } = scan(words, namesWithValue(options), command.optionsEndAtFirstArgument);
  const forOption = (name: string, typed: string): Wanted => {
    const option = options.find(({ names }) => names.includes(name));
    if (option?.placeholder === undefined) return { kind: "nothing" };
    const { placeholder, values } = option;
    return { kind: "value", placeholder, values: placeholder === "COLUMNS" ? columns(typed) : values, typed, before };
  };
  const columns = (typed: string): string[] => {
    const chosen = typed.slice(0, typed.lastIndexOf(",") + 1);
    return command.source.columns.map((name) => `${chosen}${name}`);
  };
  if (open !== undefined) return forOption(open, current);
  if (!optionsEnded && current.startsWith("-")) {
    const [name = "", ...value] = current.split("=");
    return value.length === 0 ? { kind: "options", options } : forOption(name, value.join("="));
  }
  // Whatever follows the app's name is the app's to read; most programs take files.
  const isForeign = command.optionsEndAtFirstArgument && before.length > 0;
  const placeholder = isForeign ? "FILE" : placeholderAt(command.source.positional, before.length);
  if (placeholder === undefined) return { kind: "nothing" };
  return { kind: "value", placeholder, values: [], typed: current, before };
}
