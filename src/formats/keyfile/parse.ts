// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { decodeUtf8 } from "../../base/text.ts";
import { Keyfile } from "./keyfile.ts";
import { type KeyfileLine, parseLine, syntaxError } from "./lines.ts";

const invalidText = "the text must be valid UTF-8";

/**
 * Parses a keyfile by the rules of GLib's GKeyFile (2.74), stricter only in that the whole text must be UTF-8 without
 * NUL. `where` names the file in messages. Throws KEYFILE_SYNTAX with the number of the line, or LIMIT_EXCEEDED.
 */
export function parseKeyfile(input: Uint8Array | string, where: string): Keyfile {
  const size = typeof input === "string" ? Buffer.byteLength(input) : input.length;
  if (size > limits.keyfileBytes) {
    throw new DowelError("LIMIT_EXCEEDED", `${where}: ${size} bytes; at most ${limits.keyfileBytes} are allowed`);
  }
  const text = typeof input === "string" ? input : decodeUtf8(input);
  if (text === undefined)
    throw syntaxError(where, invalidUtf8Line(input as Uint8Array), "the text must be valid UTF-8");
  const rows = text.split("\n");
  const endsWithNewline = rows.at(-1) === "";
  if (endsWithNewline) rows.pop();
  const lines: KeyfileLine[] = [];
  let firstGroup: string | undefined;
  let group: string | undefined;
  for (const [index, row] of rows.entries()) {
    if (!row.isWellFormed()) throw syntaxError(where, index + 1, invalidText);
    if (row.includes("\0")) throw syntaxError(where, index + 1, "the text must not hold NUL");
    const line = parseLine(row, index + 1, where);
    if (line.kind === "group") {
      group = line.group;
      firstGroup ??= group;
    } else if (line.kind === "key") {
      if (group === undefined) throw syntaxError(where, index + 1, "a key must stand in a [group]");
      if (group === firstGroup && line.key.toLowerCase() === "encoding" && line.value.toLowerCase() !== "utf-8") {
        throw syntaxError(where, index + 1, `the encoding must be UTF-8, not ${line.value}`);
      }
    }
    lines.push(line);
  }
  return new Keyfile(lines, where, endsWithNewline);
}

function invalidUtf8Line(input: Uint8Array | string): number {
  const bytes = Buffer.from(input);
  let number = 1;
  for (let at = 0; at < bytes.length; number++) {
    const end = bytes.indexOf(0x0a, at);
    const stop = end < 0 ? bytes.length : end;
    if (decodeUtf8(bytes.subarray(at, stop)) === undefined) return number;
    at = stop + 1;
  }
  return number;
}
