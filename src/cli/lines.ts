// SPDX-License-Identifier: Apache-2.0
import { escapeForTerminal } from "../base/text.ts";
import type { Result } from "../render/result.ts";

/** Lines of text that may hold foreign words; each is safe for a terminal. */
export function textLines(lines: readonly string[]): Result {
  return { kind: "text", text: lines.map((line) => escapeForTerminal(`${line}\n`, true)).join("") };
}
