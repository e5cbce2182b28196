// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { nearestWord } from "../../base/suggest.ts";
import type { Entry, Node, SourceText } from "./node.ts";

/** A value of a document together with its key path, to be read as one type or another. Throws the code of the text. */
export class Value {
  readonly source: SourceText;
  readonly node: Node;
  readonly path: string;

  constructor(source: SourceText, node: Node, path: string) {
    this.source = source;
    this.node = node;
    this.path = path;
  }

  fail(expected: string, hint?: string): never {
    const message = `expected ${expected}`;
    return this.source.fail(this.node.at, this.path === "" ? message : `${this.path}: ${message}`, hint);
  }

  text(): string {
    const { node } = this;
    if (node.kind === "string") return node.value;
    if (node.kind === "integer") return this.fail(`text; write "${node.value}" in quotes`);
    if (node.kind === "boolean") return this.fail(`text; write "${node.value}" in quotes`);
    return this.fail("text");
  }

  boolean(): boolean {
    return this.node.kind === "boolean" ? this.node.value : this.fail("true or false");
  }

  /** A whole number from 0. */
  size(): number {
    return this.node.kind === "integer" && this.node.value >= 0 ? this.node.value : this.fail("a whole number from 0");
  }

  list(): readonly Value[] {
    if (this.node.kind !== "list") return this.fail("a list");
    return this.node.items.map((item, index) => new Value(this.source, item, `${this.path}[${index}]`));
  }

  texts(): readonly string[] {
    return this.list().map((item) => item.text());
  }

  fields(): Fields {
    return this.node.kind === "map" ? new Fields(this, this.node.entries) : this.fail("a group of keys");
  }

  oneOf<T extends string>(words: readonly T[]): T {
    const text = this.text();
    const found = words.find((word) => word === text);
    if (found !== undefined) return found;
    const near = nearestWord(text, words);
    return this.fail(
      `one of ${words.join(", ")}; found ${JSON.stringify(text)}`,
      near === undefined ? undefined : `Did you mean ${JSON.stringify(near)}?`,
    );
  }
}

/** The keys of a group. Each key that is asked for counts as known; `done` refuses the others. `null` is absence. */
export class Fields {
  readonly value: Value;
  readonly #entries: ReadonlyMap<string, Entry>;
  readonly #known = new Set<string>();

  constructor(value: Value, entries: ReadonlyMap<string, Entry>) {
    this.value = value;
    this.#entries = entries;
  }

  get(key: string): Value | undefined {
    this.#known.add(key);
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.value.kind === "null") return undefined;
    return this.#at(key, entry);
  }

  required(key: string): Value {
    return this.get(key) ?? this.value.fail(`the key ${JSON.stringify(key)}`, this.#hintAt(key));
  }

  /** Where a key that is missing may stand misspelt. */
  #hintAt(missing: string): string | undefined {
    const near = nearestWord(missing, [...this.#entries.keys()]);
    const entry = near === undefined ? undefined : this.#entries.get(near);
    if (entry === undefined) return undefined;
    return `${this.value.source.locate(entry.keyAt)} has ${JSON.stringify(near)}. Is that meant?`;
  }

  text(key: string): string | undefined {
    return this.get(key)?.text();
  }

  texts(key: string): readonly string[] {
    return this.get(key)?.texts() ?? [];
  }

  flag(key: string, otherwise = false): boolean {
    return this.get(key)?.boolean() ?? otherwise;
  }

  /** All pairs, for groups whose keys are free names; `null` values included. */
  pairs(): readonly (readonly [string, Value])[] {
    return [...this.#entries].map(([key, entry]) => [key, this.#at(key, entry)] as const);
  }

  /** Refuses keys that Dowel knows but does not carry out; empty lists, `false` and `null` are let through. */
  unsupported(...keys: readonly string[]): void {
    for (const key of keys) {
      const value = this.get(key);
      if (value === undefined || isEmpty(value.node)) continue;
      throw new DowelError(
        "UNSUPPORTED",
        `${value.source.locate(value.node.at)}: ${value.path}: this key is not supported yet`,
        { hint: "Remove the key, or build this manifest with flatpak-builder." },
      );
    }
  }

  done(): void {
    for (const [key, entry] of this.#entries) {
      if (this.#known.has(key) || /^(x-|\/\/|__)/.test(key) || key === "$schema") continue;
      const near = nearestWord(key, this.#known);
      const { source, path } = this.value;
      const name = path === "" ? key : `${path}.${key}`;
      source.fail(
        entry.keyAt,
        `${name}: expected a known key`,
        near === undefined ? undefined : `Did you mean ${JSON.stringify(near)}?`,
      );
    }
  }

  #at(key: string, entry: Entry): Value {
    const { source, path } = this.value;
    return new Value(source, entry.value, path === "" ? key : `${path}.${key}`);
  }
}

function isEmpty(node: Node): boolean {
  if (node.kind === "list") return node.items.length === 0;
  if (node.kind === "map") return node.entries.size === 0;
  return node.kind === "boolean" && !node.value;
}
