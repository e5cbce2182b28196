// SPDX-License-Identifier: Apache-2.0
import { decodeUtf8 } from "../../base/text.ts";
import { invalid } from "./invalid.ts";

const maxDepth = 32;
const quote = 0x22;
const backslash = 0x5c;

/**
 * Reads JSON (RFC 8259) from bytes, value by value as the caller asks, and so without a tree in memory. What readers
 * are known to take differently is refused: a key that is there twice, whatever the case of its letters, and lone
 * surrogates. Throws ZSTD_CHUNKED_INVALID with the offset.
 */
export class JsonReader {
  readonly #bytes: Buffer;
  readonly #what: string;
  #at = 0;

  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#what = what;
  }

  fail(expected: string): never {
    invalid(`${this.#what}, offset ${this.#at}`, expected);
  }

  /** Reads an object; `member` must read the value of each key, or skip it. `known` are the keys that it reads. */
  object(known: KeySet, member: (key: string) => void): void {
    this.#members((key) => {
      const folded = known.exact.get(key) ?? foldCase(key);
      if (known.folded.has(folded) && !known.exact.has(key)) {
        this.fail(`the key ${JSON.stringify(key)} must have the case that the format gives it`);
      }
      return folded;
    }, member);
  }

  /** Reads an object whose keys are data: they differ if their case does. */
  record(member: (key: string) => void): void {
    this.#members((key) => key, member);
  }

  #members(identify: (key: string) => string, member: (key: string) => void): void {
    this.#expect("{", "there must be an object");
    const seen = new KeysSeen();
    if (this.#take("}")) return;
    do {
      const key = this.string();
      const identity = identify(key);
      if (!seen.add(identity)) this.fail(`the key ${JSON.stringify(key)} must be there once`);
      this.#expect(":", "there must be a colon");
      member(key);
    } while (this.#take(","));
    this.#expect("}", "the object must go on or end");
  }

  /** Reads an array; `item` must read each value. */
  array(item: () => void): void {
    this.#expect("[", "there must be an array");
    if (this.#take("]")) return;
    do item();
    while (this.#take(","));
    this.#expect("]", "the array must go on or end");
  }

  string(): string {
    this.#expect('"', "there must be a string");
    const start = this.#at;
    let ascii = true;
    for (let at = start; at < this.#bytes.length; at++) {
      const byte = this.#bytes[at] ?? 0;
      if (byte === quote) {
        this.#at = at + 1;
        return ascii ? this.#bytes.toString("latin1", start, at) : this.#decode(start, at);
      }
      if (byte === backslash) return this.#escaped(start);
      if (byte < 0x20) break;
      if (byte >= 0x80) ascii = false;
    }
    return this.fail("a string must end, and hold no control characters");
  }

  /** A whole number in decimal that fits 53 bits. */
  integer(): number {
    this.#space();
    const text = /^-?(?:0|[1-9][0-9]{0,15})(?![0-9.eE])/.exec(
      this.#bytes.toString("latin1", this.#at, this.#at + 20),
    )?.[0];
    const value = Number(text);
    if (text === undefined || !Number.isSafeInteger(value)) this.fail("there must be a whole number");
    this.#at += text.length;
    return value + 0;
  }

  /** Whether `null` stands here; it is passed over. */
  isNull(): boolean {
    this.#space();
    if (this.#bytes.toString("latin1", this.#at, this.#at + 4) !== "null") return false;
    this.#at += 4;
    return true;
  }

  /** Passes over any value. */
  skip(depth = 0): void {
    if (depth > maxDepth) this.fail(`values may be nested ${maxDepth} deep`);
    this.#space();
    const first = String.fromCharCode(this.#bytes[this.#at] ?? 0);
    if (first === "{") this.record(() => this.skip(depth + 1));
    else if (first === "[") this.array(() => this.skip(depth + 1));
    else if (first === '"') this.string();
    else this.#scalar();
  }

  /** Says that the document must be over. */
  end(): void {
    this.#space();
    if (this.#at < this.#bytes.length) this.fail("there must be nothing after the document");
  }

  #scalar(): void {
    const head = this.#bytes.toString("latin1", this.#at, this.#at + 64);
    const text = /^(?:true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)(?![\w.])/.exec(head)?.[0];
    if (text === undefined) this.fail("there must be a value");
    this.#at += text.length;
  }

  #decode(start: number, end: number): string {
    return decodeUtf8(this.#bytes.subarray(start, end)) ?? this.fail("a string must be UTF-8");
  }

  /** A string with escapes, from behind its quote. */
  #escaped(start: number): string {
    let end = start;
    while (end < this.#bytes.length && this.#bytes[end] !== quote) end += this.#bytes[end] === backslash ? 2 : 1;
    const raw = this.#decode(start, Math.min(end, this.#bytes.length));
    let text: string | undefined;
    try {
      text = JSON.parse(`"${raw}"`);
    } catch {
      text = undefined;
    }
    if (text === undefined || !text.isWellFormed()) this.fail("a string must have sound escapes");
    this.#at = end + 1;
    return text;
  }

  #space(): void {
    for (;;) {
      const byte = this.#bytes[this.#at];
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return;
      this.#at++;
    }
  }

  #take(character: string): boolean {
    this.#space();
    if (this.#bytes[this.#at] !== character.charCodeAt(0)) return false;
    this.#at++;
    return true;
  }

  #expect(character: string, expected: string): void {
    if (!this.#take(character)) this.fail(expected);
  }
}

/** The same text for keys that differ only in case, by Unicode's simple rules: U+017F is an s, U+212A a k. */
function foldCase(key: string): string {
  return key.toUpperCase().toLowerCase();
}

/** The keys of an object that mean something. */
export class KeySet {
  /** By key, what all spellings of it have in common. */
  readonly exact: ReadonlyMap<string, string>;
  readonly folded: ReadonlySet<string>;

  constructor(keys: readonly string[]) {
    this.exact = new Map(keys.map((key) => [key, foldCase(key)]));
    this.folded = new Set(this.exact.values());
  }
}

/** The keys of one object. Most have few, for which a list is cheaper than a set. */
class KeysSeen {
  readonly #few: string[] = [];
  #many: Set<string> | undefined;

  /** Whether the key is new. */
  add(key: string): boolean {
    if (this.#many === undefined) {
      if (this.#few.includes(key)) return false;
      this.#few.push(key);
      if (this.#few.length > 24) this.#many = new Set(this.#few);
      return true;
    }
    const { size } = this.#many;
    return this.#many.add(key).size > size;
  }
}
