// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";

/**
 * Takes the marks of `--file-forwarding` out of an app's words: `@@ PATH… @@` and `@@u URI… @@`, as exported desktop
 * files have them. The files keep their names; what the app's permissions do not show, it will not find. Throws
 * `USAGE` where a mark is not closed.
 */
export function takeForwardingMarks(words: readonly string[]): string[] {
  const result: string[] = [];
  let open = false;
  for (const word of words) {
    if (open && word === "@@") open = false;
    else if (!open && (word === "@@" || word === "@@u")) open = true;
    else if (open && word === "") throw new DowelError("USAGE", "An empty word stands between the marks @@ and @@");
    else result.push(word);
  }
  if (open) throw new DowelError("USAGE", "The mark @@ is not closed by another @@");
  return result;
}
