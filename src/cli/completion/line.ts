// SPDX-License-Identifier: Apache-2.0

/** A command line up to the place of the cursor, the program's name left out. */
export interface TypedLine {
  /** The words that are whole. */
  readonly words: readonly string[];
  /** What was typed of the word at the cursor; empty where it is yet to be begun. */
  readonly current: string;
}

/** One word, or white space between words, of a line in the language of a shell (POSIX 2.2, quoting). */
const token = /\s+|(?:\\.|'[^']*'?|"(?:\\.|[^"\\])*"?|[^\s'"\\]|\\$)+/gsu;
const quoted = /\\(.)|'([^']*)'?|"((?:\\.|[^"\\])*)"?/gsu;

function unquote(word: string): string {
  return word.replace(quoted, (_whole, escaped?: string, single?: string, double?: string) => {
    if (escaped !== undefined) return escaped;
    return single ?? (double ?? "").replace(/\\([\\"$`])/gu, "$1");
  });
}

/** Takes apart what a shell has in its line before the cursor. `point` counts characters from the line's beginning. */
export function splitLine(line: string, point: number): TypedLine {
  const words: string[] = [];
  let isOpen = false;
  for (const [part] of line.slice(0, point).matchAll(token)) {
    isOpen = !/^\s/u.test(part);
    if (isOpen) words.push(unquote(part));
  }
  const current = isOpen ? (words.pop() ?? "") : "";
  return { words: words.slice(1), current };
}
