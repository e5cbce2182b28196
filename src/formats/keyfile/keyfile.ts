// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { isGroupName, isKeyName, type KeyfileLine, type KeyLine, parseLine } from "./lines.ts";
import { localeVariants } from "./locale.ts";
import { escapeList, escapeValue, unescapeList, unescapeValue } from "./values.ts";

/**
 * A keyfile that can be changed. What is not changed keeps its bytes: comments, order, white space. Groups of one
 * name are one group; of keys of one name the last counts. Getters return undefined for what is absent and throw
 * KEYFILE_SYNTAX, naming group and key, for a value that is not of the type asked for.
 * Parse with parse.ts; `new Keyfile()` is empty.
 */
export class Keyfile {
  readonly #lines: KeyfileLine[];
  readonly #where: string;
  readonly #groups = new Map<string, Map<string, KeyLine>>();
  #endsWithNewline: boolean;

  constructor(lines: readonly KeyfileLine[] = [], where = "keyfile", endsWithNewline = true) {
    this.#lines = [...lines];
    this.#where = where;
    this.#endsWithNewline = endsWithNewline;
    let keys = new Map<string, KeyLine>();
    for (const line of lines) {
      if (line.kind === "group") {
        keys = this.#groups.get(line.group) ?? new Map();
        this.#groups.set(line.group, keys);
      } else if (line.kind === "key") {
        keys.set(line.key, line);
      }
    }
  }

  /** The names of all groups, in the order in which they first appear. */
  groups(): string[] {
    return [...this.#groups.keys()];
  }

  /** The names of all keys of a group, in the order in which they first appear; none for an absent group. */
  keys(group: string): string[] {
    return [...(this.#groups.get(group)?.keys() ?? [])];
  }

  hasGroup(group: string): boolean {
    return this.#groups.has(group);
  }

  has(group: string, key: string): boolean {
    return this.#groups.get(group)?.has(key) ?? false;
  }

  /** The value as the file has it, escapes and closing white space included. */
  getRaw(group: string, key: string): string | undefined {
    return this.#groups.get(group)?.get(key)?.value;
  }

  get(group: string, key: string): string | undefined {
    return this.#typed(group, key, unescapeValue, "a text with valid escapes (\\s \\n \\t \\r \\\\)");
  }

  /**
   * The text for a locale such as `de_AT.UTF-8@euro`, or for the nearest one there is, or without a locale. As in
   * GLib a malformed translation is passed over.
   */
  getLocale(group: string, key: string, locale: string): string | undefined {
    for (const variant of localeVariants(locale)) {
      const text = unescapeValue(this.getRaw(group, `${key}[${variant}]`) ?? "\\");
      if (text !== undefined) return text;
    }
    return this.get(group, key);
  }

  /** The texts of a list separated by `;`. */
  getList(group: string, key: string): string[] | undefined {
    return this.#typed(group, key, unescapeList, "a list with valid escapes (\\s \\n \\t \\r \\\\ \\;)");
  }

  /** `true` or `1`, `false` or `0`. */
  getBoolean(group: string, key: string): boolean | undefined {
    return this.#typed(group, key, parseBoolean, "true or false");
  }

  /** A whole number of at most 53 bits. */
  getInteger(group: string, key: string): number | undefined {
    return this.#typed(group, key, parseInteger, "a whole number");
  }

  #typed<T>(group: string, key: string, read: (raw: string) => T | undefined, expected: string): T | undefined {
    const line = this.#groups.get(group)?.get(key);
    if (line === undefined) return undefined;
    const value = read(line.value);
    if (value !== undefined) return value;
    const place = line.number === undefined ? this.#where : `${this.#where}, line ${line.number}`;
    throw new DowelError("KEYFILE_SYNTAX", `${place}: [${group}] ${key} must be ${expected}`);
  }

  set(group: string, key: string, text: string): void {
    this.setRaw(group, key, escapeValue(text));
  }

  setList(group: string, key: string, texts: readonly string[]): void {
    this.setRaw(group, key, escapeList(texts));
  }

  setBoolean(group: string, key: string, value: boolean): void {
    this.setRaw(group, key, value ? "true" : "false");
  }

  setInteger(group: string, key: string, value: number): void {
    if (!Number.isSafeInteger(value)) throw new RangeError(`${value} must be a whole number`);
    this.setRaw(group, key, String(value));
  }

  /**
   * Sets an escaped value: in place of the key's last line, else after the last key of the group, else in a new
   * group at the end. Throws RangeError for a name or value that cannot stand in a keyfile.
   */
  setRaw(group: string, key: string, value: string): void {
    const line: KeyLine = { kind: "key", raw: `${key}=${value}`, key, value, number: undefined };
    if (!isGroupName(group) || !canStand(line)) {
      throw new RangeError(`[${group}] ${line.raw} cannot stand in a keyfile`);
    }
    const keys = this.#groups.get(group);
    const old = keys?.get(key);
    if (old !== undefined) this.#lines[this.#lines.lastIndexOf(old)] = line;
    else if (keys !== undefined) this.#lines.splice(this.#endOfGroup(group), 0, line);
    else this.#append(group, line);
    if (keys === undefined) this.#groups.set(group, new Map([[key, line]]));
    else keys.set(key, line);
    this.#endsWithNewline = true;
  }

  #append(group: string, line: KeyLine): void {
    const last = this.#lines.at(-1);
    if (last !== undefined && last.raw.trim() !== "") this.#lines.push({ kind: "other", raw: "" });
    this.#lines.push({ kind: "group", raw: `[${group}]`, group }, line);
  }

  /** Where a new key of a group goes: after the last line of its first part that says something. */
  #endOfGroup(group: string): number {
    const start = this.#lines.findIndex((line) => line.kind === "group" && line.group === group);
    let end = start + 1;
    for (let at = start + 1; at < this.#lines.length && this.#lines[at]?.kind !== "group"; at++) {
      if (this.#lines[at]?.kind === "key") end = at + 1;
    }
    return end;
  }

  /** Takes all lines of a key away; false where there was none. */
  remove(group: string, key: string): boolean {
    if (this.#groups.get(group)?.delete(key) !== true) return false;
    this.#filter((line, inGroup) => !(inGroup === group && line.kind === "key" && line.key === key));
    return true;
  }

  /** Takes a group away, with the comments below its headers and the blank line before it at the end; false where there was none. */
  removeGroup(group: string): boolean {
    if (!this.#groups.delete(group)) return false;
    this.#filter((_, inGroup) => inGroup !== group);
    if (this.#lines.at(-1)?.raw.trim() === "") this.#lines.pop();
    return true;
  }

  #filter(keep: (line: KeyfileLine, group: string | undefined) => boolean): void {
    let group: string | undefined;
    const kept = this.#lines.filter((line) => {
      if (line.kind === "group") group = line.group;
      return keep(line, group);
    });
    this.#lines.splice(0, this.#lines.length, ...kept);
    this.#endsWithNewline = true;
  }

  toString(): string {
    if (this.#lines.length === 0) return "";
    return this.#lines.map((line) => line.raw).join("\n") + (this.#endsWithNewline ? "\n" : "");
  }
}

/** Whether a line reads back as what it was made of. */
function canStand(line: KeyLine): boolean {
  if (!isKeyName(line.key) || /[\n\0]/.test(line.raw) || !line.raw.isWellFormed()) return false;
  if (line.key.startsWith("#")) return false;
  const back = parseLine(line.raw, 1, "keyfile");
  return back.kind === "key" && back.key === line.key && back.value === line.value;
}

function parseBoolean(raw: string): boolean | undefined {
  const text = raw.replace(/[ \t\f\r]+$/, "");
  if (text === "true" || text === "1") return true;
  return text === "false" || text === "0" ? false : undefined;
}

function parseInteger(raw: string): number | undefined {
  const digits = /^([+-]?[0-9]{1,16})(?:[ \t\f\r].*)?$/s.exec(raw)?.[1];
  const value = Number(digits);
  return digits !== undefined && Number.isSafeInteger(value) ? value + 0 : undefined;
}
