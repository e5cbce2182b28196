// SPDX-License-Identifier: Apache-2.0
// Values as people type them: GLib's "GVariant Text Format", without maybe types and positional formats.
import { DowelError } from "../../base/errors.ts";
import { isObjectPath } from "../dbus/names.ts";
import { isSignature, splitSignature } from "../dbus/signature.ts";
import type { Variant } from "../dbus/types.ts";

type Node =
  | { readonly kind: "number" | "text" | "bytes"; readonly at: number; readonly text: string }
  | { readonly kind: "boolean"; readonly at: number; readonly value: boolean }
  | { readonly kind: "list" | "tuple" | "variant"; readonly at: number; readonly items: readonly Node[] }
  | { readonly kind: "entries"; readonly at: number; readonly entries: readonly (readonly [Node, Node])[] }
  | { readonly kind: "typed"; readonly at: number; readonly type: string; readonly of: Node };

const keywords: Readonly<Record<string, string>> = {
  boolean: "b",
  byte: "y",
  int16: "n",
  uint16: "q",
  int32: "i",
  uint32: "u",
  handle: "h",
  int64: "x",
  uint64: "t",
  double: "d",
  string: "s",
  objectpath: "o",
  signature: "g",
};
const escapes: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", a: "\x07", b: "\b", f: "\f", v: "\v" };
const ranges: Readonly<Record<string, readonly [bigint, bigint]>> = {
  y: [0n, 0xffn],
  n: [-0x8000n, 0x7fffn],
  q: [0n, 0xffffn],
  i: [-0x8000_0000n, 0x7fff_ffffn],
  h: [-0x8000_0000n, 0x7fff_ffffn],
  u: [0n, 0xffff_ffffn],
  x: [-(2n ** 63n), 2n ** 63n - 1n],
  t: [0n, 2n ** 64n - 1n],
};
const depthLimit = 32;

function invalid(at: number, expected: string): DowelError {
  return new DowelError("GVARIANT_INVALID", `Cannot read the value: at character ${at + 1} there must be ${expected}`);
}

class Parser {
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  #skip(): void {
    while (/\s/.test(this.#text.charAt(this.#at))) this.#at++;
  }

  #takes(token: string): boolean {
    this.#skip();
    if (!this.#text.startsWith(token, this.#at)) return false;
    this.#at += token.length;
    return true;
  }

  #expect(token: string): void {
    if (!this.#takes(token)) throw invalid(this.#at, `'${token}'`);
  }

  #word(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const word = pattern.exec(this.#text)?.[0] ?? "";
    this.#at += word.length;
    return word;
  }

  #quoted(): string {
    const quote = this.#text.charAt(this.#at++);
    let text = "";
    for (;;) {
      const one = this.#text.charAt(this.#at++);
      if (one === "") throw invalid(this.#text.length, `the end of the text, ${quote}`);
      if (one === quote) return text;
      text += one === "\\" ? this.#escape() : one;
    }
  }

  #escape(): string {
    const code = this.#text.charAt(this.#at++);
    if (code !== "u" && code !== "U") return escapes[code] ?? code;
    const digits = this.#word(code === "u" ? /[0-9a-fA-F]{4}/y : /[0-9a-fA-F]{8}/y);
    const point = digits === "" ? 0 : Number.parseInt(digits, 16);
    if (point === 0 || point > 0x10ffff) throw invalid(this.#at, "a character's number");
    return String.fromCodePoint(point);
  }

  #items(end: string): Node[] {
    const items: Node[] = [];
    while (!this.#takes(end)) {
      if (items.length > 0) this.#expect(",");
      if (items.length > 0 && this.#takes(end)) break;
      items.push(this.#node());
    }
    return items;
  }

  #entries(): (readonly [Node, Node])[] {
    const entries: (readonly [Node, Node])[] = [];
    while (!this.#takes("}")) {
      if (entries.length > 0) this.#expect(",");
      const key = this.#node();
      this.#expect(":");
      entries.push([key, this.#node()]);
    }
    return entries;
  }

  #node(): Node {
    if (++this.#depth > depthLimit) throw invalid(this.#at, `at most ${depthLimit} values in each other`);
    this.#skip();
    const node = this.#one(this.#at);
    this.#depth--;
    return node;
  }

  #one(at: number): Node {
    const first = this.#text.charAt(at);
    if (this.#takes("[")) return { kind: "list", at, items: this.#items("]") };
    if (this.#takes("(")) return { kind: "tuple", at, items: this.#items(")") };
    if (this.#takes("<")) return { kind: "variant", at, items: this.#items(">") };
    if (this.#takes("{")) return { kind: "entries", at, entries: this.#entries() };
    if (this.#takes("@")) return { kind: "typed", at, type: this.#type(this.#word(/[a-z(){}]+/y)), of: this.#node() };
    if (first === "'" || first === '"') return { kind: "text", at, text: this.#quoted() };
    if (/^b['"]/.test(this.#text.slice(at, at + 2))) {
      this.#at++;
      return { kind: "bytes", at, text: this.#quoted() };
    }
    if (/[-+.0-9]/.test(first)) return { kind: "number", at, text: this.#word(/[-+.0-9a-zA-Z]+/y) };
    return this.#named(at, this.#word(/[a-z0-9]+/y));
  }

  #named(at: number, word: string): Node {
    if (word === "true" || word === "false") return { kind: "boolean", at, value: word === "true" };
    const type = keywords[word];
    if (type === undefined) throw invalid(at, "a value");
    return { kind: "typed", at, type, of: this.#node() };
  }

  #type(text: string): string {
    if (isSignature(text) && splitSignature(text).length === 1) return text;
    throw invalid(this.#at, "one type behind '@'");
  }

  all(): Node {
    const node = this.#node();
    this.#skip();
    if (this.#at < this.#text.length) throw invalid(this.#at, "the end");
    return node;
  }
}

/** The type that a value has by itself. */
function typeOf(node: Node): string {
  switch (node.kind) {
    case "number":
      return /^[-+]?(?:0[xX]|[0-9]+$)/.test(node.text) ? "i" : "d";
    case "text":
      return "s";
    case "bytes":
      return "ay";
    case "boolean":
      return "b";
    case "variant":
      return "v";
    case "typed":
      return node.type;
    case "tuple":
      return `(${node.items.map(typeOf).join("")})`;
    case "list":
      return `a${typeOfFirst(node.items, node.at)}`;
    case "entries":
      return `a{${typeOfFirst(
        node.entries.map(([key]) => key),
        node.at,
      )}${typeOfFirst(
        node.entries.map(([, value]) => value),
        node.at,
      )}}`;
  }
}

/** One that says its type says it for all. */
function typeOfFirst(nodes: readonly Node[], at: number): string {
  const told = nodes.find(({ kind }) => kind === "typed") ?? nodes[0];
  if (told === undefined) throw invalid(at, "a type, as in '@as []', since nothing in it says which");
  return typeOf(told);
}

function numberOf({ at, text }: { readonly at: number; readonly text: string }, type: string): number | bigint {
  if (type === "d") {
    const value = Number(text);
    if (text !== "" && !Number.isNaN(value)) return value;
    throw invalid(at, "a number");
  }
  const [minimum, maximum] = ranges[type] ?? [1n, 0n];
  const [, sign, digits = ""] = /^([-+]?)((?:0[xX][0-9a-fA-F]{1,16})|[0-9]{1,20})$/.exec(text) ?? [];
  if (digits === "" || minimum > maximum) throw invalid(at, `a value of type '${type}'`);
  const value = (sign === "-" ? -1n : 1n) * BigInt(digits);
  if (value < minimum || value > maximum) throw invalid(at, `a number from ${minimum} to ${maximum}`);
  return type === "x" || type === "t" ? value : Number(value);
}

function textOf({ at, text }: { readonly at: number; readonly text: string }, type: string): string {
  const fits = type === "s" || (type === "o" && isObjectPath(text)) || (type === "g" && isSignature(text));
  if (fits && !text.includes("\0")) return text;
  throw invalid(at, `a value of type '${type}'`);
}

function built(node: Node, type: string): unknown {
  const wrong = (): DowelError => invalid(node.at, `a value of type '${type}'`);
  const isArray = type.startsWith("a");
  switch (node.kind) {
    case "typed":
      if (node.type !== type) throw wrong();
      return built(node.of, type);
    case "number":
      return numberOf(node, type);
    case "text":
      return textOf(node, type);
    case "boolean":
      if (type !== "b") throw wrong();
      return node.value;
    case "bytes":
      if (type !== "ay") throw wrong();
      return Buffer.from(`${node.text}\0`);
    case "variant":
      if (type !== "v" || node.items.length !== 1) throw wrong();
      return node.items.map(variantOf)[0];
    case "tuple": {
      const members = type.startsWith("(") ? splitSignature(type.slice(1, -1)) : [];
      if (members.length === 0 || members.length !== node.items.length) throw wrong();
      return node.items.map((item, index) => built(item, members[index] ?? ""));
    }
    case "list": {
      if (!isArray || type.startsWith("a{")) throw wrong();
      const items = node.items.map((item) => built(item, type.slice(1)));
      return type === "ay" ? Buffer.from(items as number[]) : items;
    }
    case "entries": {
      if (!type.startsWith("a{")) throw wrong();
      const [key = "", value = ""] = splitSignature(type.slice(2, -1));
      return new Map(node.entries.map(([name, one]) => [built(name, key), built(one, value)]));
    }
  }
}

function variantOf(node: Node): Variant {
  const signature = typeOf(node);
  if (!isSignature(signature)) throw invalid(node.at, "a value of a type that D-Bus has");
  return { signature, value: built(node, signature) };
}

/** Reads a value with its type. Throws `GVARIANT_INVALID` with the place. */
export function parseVariant(text: string): Variant {
  return variantOf(new Parser(text).all());
}
