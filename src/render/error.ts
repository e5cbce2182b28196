// SPDX-License-Identifier: Apache-2.0

import { knownError } from "../base/errors.ts";
import { withoutSecrets } from "../base/secrets.ts";
import { escapeForTerminal } from "../base/text.ts";
import { toJson } from "./json.ts";

/** Text of an error for a person: message and code, then the hint; a mistake of the program itself keeps its stack. */
export function formatError(error: unknown): string {
  const known = knownError(error);
  if (known !== undefined) {
    const hint = known.hint === undefined ? "" : `hint: ${escapeForTerminal(known.hint, true)}\n`;
    return `error: ${escapeForTerminal(known.message, true)} [${known.code}]\n${hint}`;
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `error: internal error, please report it: ${escapeForTerminal(withoutSecrets(text), true)}\n`;
}

/** The same as one JSON object: `{"error":{"code","message","hint"}}`. */
export function formatErrorJson(error: unknown): string {
  const known = knownError(error);
  const message = withoutSecrets(known?.message ?? (error instanceof Error ? error.message : String(error)));
  return `${toJson({ error: { code: known?.code ?? "INTERNAL", message, hint: known?.hint } })}\n`;
}
