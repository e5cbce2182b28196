// SPDX-License-Identifier: Apache-2.0
import { escapeForTerminal } from "../base/text.ts";

/** Named values, one a line, with the names right-aligned; empty values are left out. */
export function formatFields(fields: readonly (readonly [name: string, value: string])[]): string {
  const shown = fields.filter(([, value]) => value !== "");
  const width = Math.max(0, ...shown.map(([name]) => name.length));
  return shown
    .map(([name, value]) => `${name === "" ? "" : `${name.padStart(width)}: `}${escapeForTerminal(value)}\n`)
    .join("");
}
