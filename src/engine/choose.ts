// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";

/** Asks a person which of some things is meant; its index, or undefined where none is. */
export type Choose = (question: string, items: readonly string[]) => number | undefined;

/**
 * The one thing that is meant: the only one there is, or the one that a person chooses. Throws `ambiguous` where nobody can
 * be asked, and `ABORTED` where the answer is none.
 */
export function chooseOne<T>(
  things: readonly T[],
  describe: (thing: T) => string,
  question: string,
  choose: Choose | undefined,
  ambiguous: DowelError,
): T {
  const [first] = things;
  if (first !== undefined && things.length === 1) return first;
  if (choose === undefined) throw ambiguous;
  const at = choose(question, things.map(describe));
  const chosen = at === undefined ? undefined : things[at];
  if (chosen === undefined) throw new DowelError("ABORTED", "Nothing was changed");
  return chosen;
}
