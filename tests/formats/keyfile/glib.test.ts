// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import fc from "fast-check";
import { isDowelError } from "../../../src/base/errors.ts";
import { Keyfile } from "../../../src/formats/keyfile/keyfile.ts";
import { parseKeyfile } from "../../../src/formats/keyfile/parse.ts";

/** What GLib itself makes of the texts. */
function askGlib(texts: readonly string[]): unknown[] {
  const result = spawnSync("python3", [join(import.meta.dirname, "glib-peer.py")], {
    input: JSON.stringify(texts),
    encoding: "utf8",
    maxBuffer: 256 * 1024 * 1024,
  });
  // GLib prints warnings of its own on stderr
  expect(result.status).toBe(0);
  return JSON.parse(result.stdout) as unknown[];
}

function orNull<T>(read: () => T | undefined): T | null {
  try {
    return read() ?? null;
  } catch (error) {
    if (isDowelError(error, "KEYFILE_SYNTAX")) return null;
    throw error;
  }
}

function askOurs(text: string): unknown {
  let file: Keyfile;
  try {
    file = parseKeyfile(text, "test");
  } catch (error) {
    if (isDowelError(error, "KEYFILE_SYNTAX")) return { error: true };
    throw error;
  }
  const row = (group: string, key: string) => {
    const raw = file.getRaw(group, key) ?? null;
    const string = orNull(() => file.get(group, key));
    const locale = orNull(() => file.getLocale(group, key, "de_AT.UTF-8@euro"));
    return {
      raw,
      string,
      list: orNull(() => file.getList(group, key)),
      boolean: orNull(() => file.getBoolean(group, key)),
      integer: orNull(() => file.getInteger(group, key)),
      // as the peer's script has it
      locale: string === null ? raw : locale,
    };
  };
  return {
    groups: file.groups().map((group) => [group, file.keys(group).map((key) => [key, row(group, key)])]),
  };
}

const piece = fc.constantFrom(
  ..."ab=;[]#@_-. \t\r\f\\",
  "\\s",
  "\\n",
  "\\;",
  "[a]",
  "[b]\n",
  "\n",
  "\n[",
  "\nk=",
  "\nName=",
  "Name[de]",
  "[de_AT]",
  "true",
  "false",
  "1",
  "12",
  "ä",
  "\u00a0",
  "\u{1f600}",
  "\u0001",
  "Encoding=UTF-8",
);
const text = fc.array(piece, { maxLength: 40 }).map((pieces) => `[a]\nx=${pieces.join("")}\n`);

describe("parseKeyfile()", () => {
  test("reads what GLib reads, and refuses what GLib refuses", () => {
    const texts = fc.sample(text, 3000);
    const theirs = askGlib(texts);
    let read = 0;
    for (const [index, item] of texts.entries()) {
      const ours = askOurs(item);
      if (!("error" in (ours as object))) read++;
      expect({ item, result: ours }).toEqual({ item, result: theirs[index] });
    }
    expect(read).toBeGreaterThan(300);
  });
});

describe("Keyfile", () => {
  test("set() and setList() write what GLib reads back", () => {
    const value = fc.string({ unit: "grapheme", maxLength: 20 }).map((item) => item.replaceAll("\0", ""));
    const special = fc.array(fc.constantFrom(..." \t\n\r\\;=#[]a"), { maxLength: 10 }).map((item) => item.join(""));
    const any = fc.oneof(value, special).map((item) => item.toWellFormed());
    const cases = fc.sample(fc.tuple(any, fc.array(any, { maxLength: 4 })), 500);
    const texts = cases.map(([single, list]) => {
      const file = new Keyfile();
      file.set("g", "single", single);
      file.setList("g", "list", list);
      return file.toString();
    });
    for (const [index, result] of askGlib(texts).entries()) {
      const { groups } = result as { groups: [string, [string, { string: string; list: string[] }][]][] };
      const rows = new Map(groups[0]?.[1]);
      const [single, list] = cases[index] ?? ["", []];
      expect(rows.get("single")?.string).toBe(single);
      expect(rows.get("list")?.list).toEqual(list);
    }
  });
});
