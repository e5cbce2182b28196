// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";

/** Asks a person which of some things is meant; its index, undefined where none is, and `unasked` where nobody may be asked. */
export type Choose = (question: string, items: readonly string[]) => number | undefined | "unasked";

/** What things are asked about, and how. */
interface Question<T> {
  readonly things: readonly T[];
  readonly describe: (thing: T) => string;
  readonly question: string;
  readonly choose: Choose | undefined;
  /** Thrown where nobody can be asked. */
  readonly ambiguous: DowelError;
}

function indexOf<T>({ question, choose, ambiguous }: Question<T>, items: readonly string[]): number {
  const at = choose === undefined ? "unasked" : choose(question, items);
  if (at === "unasked") throw ambiguous;
  if (at === undefined) throw new DowelError("ABORTED", "Nothing was changed");
  return at;
}

/** The one thing that is meant, asked about even where there is only one. Throws `ambiguous` or `ABORTED`. */
export function askForOne<T>(asked: Question<T>): T {
  const chosen = asked.things[indexOf(asked, asked.things.map(asked.describe))];
  if (chosen === undefined) throw new DowelError("ABORTED", "Nothing was changed");
  return chosen;
}

/**
 * The one thing that is meant: the only one there is, or the one that a person chooses. Throws `ambiguous` where nobody can
 * be asked, and `ABORTED` where the answer is none.
 */
export function chooseOne<T>(asked: Question<T>): T {
  const [first, second] = asked.things;
  return first !== undefined && second === undefined ? first : askForOne(asked);
}

/** As `chooseOne`, where the answer may be all of several. */
export function chooseSome<T>(asked: Question<T>): readonly T[] {
  const { things, describe } = asked;
  if (things.length < 2) return things;
  const at = indexOf(asked, [...things.map(describe), "All of the above"]);
  return things.slice(at === things.length ? 0 : at, at + 1);
}
