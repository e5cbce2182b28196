// SPDX-License-Identifier: Apache-2.0
import * as jsonc from "jsonc-parser";
import { limits } from "../../base/limits.ts";
import type { Entry, Node, SourceText } from "./node.ts";

/** Parses JSON with comments (RFC 8259 and both kinds of comment; no trailing commas). Throws the code of the text. */
export function parseJson(source: SourceText): Node {
  const errors: jsonc.ParseError[] = [];
  const tree = jsonc.parseTree(source.text, errors, { disallowComments: false, allowTrailingComma: false });
  const [first] = errors;
  if (first !== undefined) source.fail(first.offset, explain(first.error));
  if (tree === undefined) return source.fail(0, "expected a JSON object");
  return convert(source, tree, 0);
}

function explain(code: jsonc.ParseErrorCode): string {
  const words = jsonc
    .printParseErrorCode(code)
    .replace(/([a-z])([A-Z])/g, "$1 $2")
    .toLowerCase();
  return `not valid JSON: ${words}`;
}

function convert(source: SourceText, node: jsonc.Node, depth: number): Node {
  const at = node.offset;
  if (depth > limits.documentDepth) source.fail(at, `expected at most ${limits.documentDepth} levels`);
  switch (node.type) {
    case "object":
      return { kind: "map", at, entries: entries(source, node, depth) };
    case "array":
      return { kind: "list", at, items: (node.children ?? []).map((item) => convert(source, item, depth + 1)) };
    case "string":
      return { kind: "string", at, value: String(node.value) };
    case "boolean":
      return { kind: "boolean", at, value: node.value === true };
    case "null":
      return { kind: "null", at };
    default:
      if (Number.isSafeInteger(node.value)) return { kind: "integer", at, value: Number(node.value) };
      return source.fail(at, "expected a whole number; put other numbers in quotes");
  }
}

function entries(source: SourceText, node: jsonc.Node, depth: number): ReadonlyMap<string, Entry> {
  const result = new Map<string, Entry>();
  for (const property of node.children ?? []) {
    const [key, value] = property.children ?? [];
    if (key === undefined || value === undefined) return source.fail(property.offset, "not valid JSON");
    const name = String(key.value);
    if (result.has(name) && !name.startsWith("//")) source.fail(key.offset, `${name}: expected each key only once`);
    result.set(name, { keyAt: key.offset, value: convert(source, value, depth + 1) });
  }
  return result;
}
