// SPDX-License-Identifier: Apache-2.0
import type { ErrorCode } from "../../base/codes.ts";
import { decodeUtf8 } from "../../base/text.ts";
import { parseJson } from "../../formats/document/json.ts";
import { SourceText } from "../../formats/document/node.ts";
import { Value } from "../../formats/document/value.ts";

/**
 * Parses JSON that decides about trust: UTF-8 (RFC 8259) without comments, each key once, numbers whole. Throws `code`
 * with `what`, line and column.
 */
export function parseStrictJson(bytes: Uint8Array, what: string, code: ErrorCode): Value {
  const text = decodeUtf8(bytes);
  const source = new SourceText(what, text ?? "", code);
  if (text === undefined) source.fail(0, "expected UTF-8");
  try {
    JSON.parse(source.text);
  } catch (error) {
    source.fail(0, `not valid JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  return new Value(source, parseJson(source), "");
}

/** The values of a group whose keys are all known and, but for the optional ones, all there. */
export function exactFields<Required extends string, Optional extends string = never>(
  value: Value,
  required: readonly Required[],
  optional: readonly Optional[] = [],
): { readonly [key in Required]: Value } & { readonly [key in Optional]?: Value } {
  const known: readonly string[] = [...required, ...optional];
  const found: Record<string, Value> = {};
  for (const [key, item] of value.fields().pairs()) {
    if (!known.includes(key)) value.fail(`only the keys ${known.join(", ")}; found ${JSON.stringify(key)}`);
    found[key] = item;
  }
  for (const key of required) if (found[key] === undefined) value.fail(`the key ${JSON.stringify(key)}`);
  return found as { readonly [key in Required]: Value } & { readonly [key in Optional]?: Value };
}
