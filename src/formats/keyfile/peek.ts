// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { parseLine } from "./lines.ts";

/**
 * The values of one group of a keyfile, as they stand: of keys of one name the last. Lines of other groups are not looked
 * at, so that a text passes here which parse.ts refuses. Throws as that does for the lines of the group.
 */
export function peekGroup(text: string, group: string, where: string): ReadonlyMap<string, string> {
  if (text.length > limits.keyfileBytes) {
    throw new DowelError("LIMIT_EXCEEDED", `${where}: more than the ${limits.keyfileBytes} bytes allowed`);
  }
  const values = new Map<string, string>();
  let isInside = false;
  for (const [at, row] of text.split("\n").entries()) {
    if (!isInside && !/^\s*\[/.test(row)) continue;
    const line = parseLine(row, at + 1, where);
    if (line.kind === "group") isInside = line.group === group;
    else if (line.kind === "key" && isInside) values.set(line.key, line.value);
  }
  return values;
}
