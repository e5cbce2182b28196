// SPDX-License-Identifier: Apache-2.0

import { DowelError } from "../base/errors.ts";
import { withoutSecrets } from "../base/secrets.ts";
import { escapeForTerminal } from "../base/text.ts";
import { toJson } from "./json.ts";

/** Text of an error for a person: message and code, then the hint; a mistake of the program itself keeps its stack. */
export function formatError(error: unknown): string {
  if (error instanceof DowelError) {
    const hint = error.hint === undefined ? "" : `hint: ${escapeForTerminal(error.hint, true)}\n`;
    return `error: ${escapeForTerminal(error.message, true)} [${error.code}]\n${hint}`;
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `error: internal error, please report it: ${escapeForTerminal(withoutSecrets(text), true)}\n`;
}

/** The same as one JSON object: `{"error":{"code","message","hint"}}`. */
export function formatErrorJson(error: unknown): string {
  const known = error instanceof DowelError ? error : undefined;
  const message = withoutSecrets(error instanceof Error ? error.message : String(error));
  return `${toJson({ error: { code: known?.code ?? "INTERNAL", message, hint: known?.hint } })}\n`;
}
