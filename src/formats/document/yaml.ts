// SPDX-License-Identifier: Apache-2.0
import * as yaml from "yaml";
import { limits } from "../../base/limits.ts";
import type { Entry, Node, SourceText } from "./node.ts";

/**
 * Parses YAML 1.2 with one document. Plain `true`, `false`, `null`, `~` and decimal whole numbers are typed; all else,
 * as `yes` and `25.08`, is text. Aliases work, merge keys do not. Throws the code of the text.
 */
export function parseYaml(source: SourceText): Node {
  const document = yaml.parseDocument(source.text, { schema: "failsafe", prettyErrors: false, logLevel: "silent" });
  const [first] = document.errors;
  if (first !== undefined) source.fail(first.pos[0], `not valid YAML: ${first.message}`);
  const [tag] = document.warnings;
  if (tag !== undefined) source.fail(tag.pos[0], `not valid YAML: ${tag.message}`);
  return new Converter(source, document).convert(document.contents, 0, 0);
}

class Converter {
  readonly #source: SourceText;
  readonly #document: yaml.Document.Parsed;
  #nodes = 0;

  constructor(source: SourceText, document: yaml.Document.Parsed) {
    this.#source = source;
    this.#document = document;
  }

  /** `near` is where to point to when the node itself has no place in the text. */
  convert(node: unknown, depth: number, near: number): Node {
    const at = yaml.isNode(node) ? (node.range?.[0] ?? near) : near;
    this.#nodes += 1;
    if (this.#nodes > limits.documentNodes) this.#source.fail(at, `expected at most ${limits.documentNodes} values`);
    if (depth > limits.documentDepth) this.#source.fail(at, `expected at most ${limits.documentDepth} levels`);
    if (yaml.isAlias(node)) return this.convert(node.resolve(this.#document), depth + 1, at);
    if (yaml.isMap(node)) return { kind: "map", at, entries: this.#entries(node, depth, at) };
    if (yaml.isSeq(node)) {
      return { kind: "list", at, items: node.items.map((item) => this.convert(item, depth + 1, at)) };
    }
    return yaml.isScalar(node) ? scalar(node, at) : { kind: "null", at };
  }

  #entries(node: yaml.YAMLMap, depth: number, near: number): ReadonlyMap<string, Entry> {
    const result = new Map<string, Entry>();
    for (const { key, value } of node.items) {
      const keyAt = yaml.isNode(key) ? (key.range?.[0] ?? near) : near;
      if (!yaml.isScalar(key)) return this.#source.fail(keyAt, "expected a key that is text");
      result.set(String(key.value), { keyAt, value: this.convert(value, depth + 1, keyAt) });
    }
    return result;
  }
}

function scalar(node: yaml.Scalar, at: number): Node {
  const value = String(node.value ?? "");
  if (node.type !== "PLAIN" || node.tag !== undefined) return { kind: "string", at, value };
  if (value === "" || /^(~|null|Null|NULL)$/.test(value)) return { kind: "null", at };
  if (/^(true|True|TRUE)$/.test(value)) return { kind: "boolean", at, value: true };
  if (/^(false|False|FALSE)$/.test(value)) return { kind: "boolean", at, value: false };
  const integer = /^[-+]?[0-9]+$/.test(value) ? Number(value) : Number.NaN;
  return Number.isSafeInteger(integer) ? { kind: "integer", at, value: integer } : { kind: "string", at, value };
}

/** A plain value as YAML; texts of several lines stand as blocks. */
export function formatYaml(value: unknown): string {
  return yaml.stringify(value, { lineWidth: 0 });
}
