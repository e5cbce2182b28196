// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { isDowelError } from "../../../src/base/errors.ts";
import { limits } from "../../../src/base/limits.ts";
import { Keyfile } from "../../../src/formats/keyfile/keyfile.ts";
import { localeVariants } from "../../../src/formats/keyfile/locale.ts";
import { parseKeyfile } from "../../../src/formats/keyfile/parse.ts";

const metadata = `# made by hand
[Application]
name=org.example.App
runtime = org.example.Platform/x86_64/1
tags=a;b\\;c;;

[Context]
shared=network;ipc;
# no sockets yet

[Application]
name=org.example.Later
`;

function errorOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (isDowelError(error)) return `${error.code} ${error.message}`;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("parseKeyfile()", () => {
  test("joins groups of one name and lets the last key win", () => {
    const file = parseKeyfile(metadata, "metadata");
    expect(file.groups()).toEqual(["Application", "Context"]);
    expect(file.keys("Application")).toEqual(["name", "runtime", "tags"]);
    expect(file.get("Application", "name")).toBe("org.example.Later");
    expect(file.get("Application", "runtime")).toBe("org.example.Platform/x86_64/1");
    expect(file.getList("Application", "tags")).toEqual(["a", "b;c", ""]);
    expect(file.getList("Context", "shared")).toEqual(["network", "ipc"]);
    expect(file.get("Context", "absent")).toBeUndefined();
    expect(file.keys("Absent")).toEqual([]);
  });

  const malformed: readonly (readonly [string, string | Uint8Array, string])[] = [
    ["a key before the first group", "a=1\n", "line 1: a key must stand in a [group]"],
    ["a line without =", "[a]\n\nwords\n", "line 3: expected a [group], a KEY=VALUE pair or a # comment"],
    ["an empty key", "[a]\n=1\n", "line 2: expected a [group], a KEY=VALUE pair or a # comment"],
    ["a bracket in a key", "[a]\nb[x y]=1\n", 'line 2: "b[x y]" must be a key name'],
    ["an empty group name", "[]\n", 'line 1: "" must be a group name'],
    ["a control character in a group name", "[a\u0007]\n", 'line 1: "a\u0007" must be a group name'],
    ["text after a group", "[a] b\n", "line 1: expected a [group], a KEY=VALUE pair or a # comment"],
    ["another encoding", "[a]\nEncoding=Latin-1\n", "line 2: the encoding must be UTF-8, not Latin-1"],
    ["NUL", "[a]\nb=\0\n", "line 2: the text must not hold NUL"],
    ["invalid UTF-8", Buffer.from("[a]\nb=1\nc=\xff\n", "latin1"), "line 3: the text must be valid UTF-8"],
    ["half a surrogate pair", "[a]\nb=\ud800\n", "line 2: the text must be valid UTF-8"],
    ["a byte order mark", "\ufeff[a]\n", "line 1: expected a [group], a KEY=VALUE pair or a # comment"],
  ];
  test.each(malformed)("names the line of %s", (_, text, message) => {
    expect(errorOf(() => parseKeyfile(text, "file"))).toBe(`KEYFILE_SYNTAX file, ${message}`);
  });

  test("refuses a text past the limit, and reads one at it", () => {
    const text = `[a]\n${"#".repeat(limits.keyfileBytes - 4)}`;
    expect(parseKeyfile(text, "file").groups()).toEqual(["a"]);
    expect(errorOf(() => parseKeyfile(`${text}#`, "file"))).toStartWith("LIMIT_EXCEEDED file: ");
  });

  test("reads a value of the greatest length within a second", () => {
    const start = performance.now();
    const value = "\\;a ".repeat((limits.keyfileBytes - 10) / 4);
    const file = parseKeyfile(`[a]\nb=${value}`, "file");
    expect(file.getList("a", "b")?.[0]?.length).toBeGreaterThan(1_000_000);
    expect(performance.now() - start).toBeLessThan(1000);
  });

  test("throws nothing but DowelError for any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          parseKeyfile(bytes, "file");
        } catch (error) {
          expect(isDowelError(error)).toBe(true);
        }
      }),
    );
  });
});

describe("Keyfile getters", () => {
  const file = parseKeyfile(
    ["[t]", "yes=true  ", "one=1", "no=false", "zero=0", "odd=True", "n=-12", "m=+7 x", "big=9007199254740993", "f=1.5"]
      .concat([
        "esc=\\s\\n\\t\\r\\\\",
        "bad=\\q",
        "cut=a\\",
        "Name=N",
        "Name[de]=D",
        "Name[de_AT]=A",
        "Name[sr@latin]=S",
      ])
      .join("\n"),
    "file",
  );

  test("getBoolean() reads GLib's four words", () => {
    expect(["yes", "one", "no", "zero", "absent"].map((key) => file.getBoolean("t", key))).toEqual([
      true,
      true,
      false,
      false,
      undefined,
    ]);
    expect(errorOf(() => file.getBoolean("t", "odd"))).toBe(
      "KEYFILE_SYNTAX file, line 6: [t] odd must be true or false",
    );
  });

  test("getInteger() reads whole numbers of 53 bits", () => {
    expect([file.getInteger("t", "n"), file.getInteger("t", "m")]).toEqual([-12, 7]);
    for (const key of ["big", "f", "yes"]) expect(errorOf(() => file.getInteger("t", key))).toContain(key);
  });

  test("get() decodes escapes and refuses unknown ones", () => {
    expect(file.get("t", "esc")).toBe(" \n\t\r\\");
    expect(file.getRaw("t", "esc")).toBe("\\s\\n\\t\\r\\\\");
    for (const key of ["bad", "cut"]) expect(errorOf(() => file.get("t", key))).toContain(`[t] ${key} must be a text`);
  });

  test("getLocale() takes the nearest translation", () => {
    const texts = ["de_AT.UTF-8", "de_CH", "de@euro", "sr_RS@latin", "sr", "fr", "C"];
    expect(texts.map((locale) => file.getLocale("t", "Name", locale))).toEqual(["A", "D", "D", "S", "N", "N", "N"]);
  });

  test("localeVariants() orders like GLib", () => {
    expect(localeVariants("ll_CC.ENC@mod")).toEqual([
      "ll_CC.ENC@mod",
      "ll_CC@mod",
      "ll.ENC@mod",
      "ll@mod",
      "ll_CC.ENC",
      "ll_CC",
      "ll.ENC",
      "ll",
    ]);
  });
});

describe("Keyfile changes", () => {
  test("toString() gives back an unchanged text byte for byte", () => {
    const line = fc.constantFrom("", " ", "# c", "[a]", " [b] ", "k=v", " k = v ", "k[de]=x\r", "[a]\r", "\f#x");
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), fc.boolean(), (lines, newline) => {
        const text = `[first]\n${lines.join("\n")}${newline ? "\n" : ""}`;
        expect(parseKeyfile(text, "file").toString()).toBe(text);
      }),
    );
    for (const text of ["", "\n", "#", "\n\n"]) expect(parseKeyfile(text, "file").toString()).toBe(text);
  });

  test("set() changes the line that counts, and only that one", () => {
    const file = parseKeyfile(metadata, "metadata");
    file.set("Application", "name", "org.example.New");
    expect(file.toString()).toBe(metadata.replace("name=org.example.Later", "name=org.example.New"));
  });

  test("set() puts new keys after the last of the group, and new groups at the end", () => {
    const file = parseKeyfile(metadata, "metadata");
    file.setList("Context", "sockets", ["x11", "a;b"]);
    file.setBoolean("New Group", "on", true);
    file.setInteger("New Group", "n", 3);
    expect(file.toString()).toBe(
      `${metadata.replace("ipc;\n", "ipc;\nsockets=x11;a\\;b;\n")}\n[New Group]\non=true\nn=3\n`,
    );
    expect(file.keys("New Group")).toEqual(["on", "n"]);
  });

  test("set() ends the last line first where it has no newline", () => {
    const file = parseKeyfile("[a]\nb=1", "file");
    file.set("a", "c", "2");
    expect(file.toString()).toBe("[a]\nb=1\nc=2\n");
  });

  test("remove() takes every line of a key, removeGroup() every part of a group", () => {
    const file = parseKeyfile(metadata, "metadata");
    expect(file.remove("Application", "name")).toBe(true);
    expect(file.remove("Application", "name")).toBe(false);
    expect(file.toString()).not.toContain("name=");
    expect(file.get("Application", "name")).toBeUndefined();
    expect(file.removeGroup("Application")).toBe(true);
    expect(file.removeGroup("Application")).toBe(false);
    expect(file.toString()).toBe("# made by hand\n[Context]\nshared=network;ipc;\n# no sockets yet\n");
  });

  test("setRaw() refuses what would read back as something else", () => {
    const file = new Keyfile();
    for (const [group, key, value] of [
      ["a]", "k", "v"],
      ["", "k", "v"],
      ["a", "", "v"],
      ["a", "k=", "v"],
      ["a", "#k", "v"],
      ["a", "k ", "v"],
      ["a", "k\n", "v"],
      ["a", "k", "v\n[b]"],
      ["a", "k", " v"],
      ["a", "k", "v\r"],
      ["a", "k", "\ud800"],
    ] as const) {
      expect(() => file.setRaw(group, key, value)).toThrow(RangeError);
    }
    expect(file.toString()).toBe("");
  });

  test("what is set reads back as it was, before and after writing", () => {
    const text = fc.string({ unit: "grapheme" }).map((value) => value.replaceAll("\0", "").toWellFormed());
    const group = fc.constantFrom("A", "B", "C c");
    const key = fc.constantFrom("k", "l", "Name[de]");
    const change = fc.record({ group, key, list: fc.array(text, { maxLength: 3 }), remove: fc.boolean() });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 12 }), (changes) => {
        const file = new Keyfile();
        const model = new Map<string, string[]>();
        for (const item of changes) {
          const name = `${item.group}/${item.key}`;
          if (item.remove) {
            expect(file.remove(item.group, item.key)).toBe(model.delete(name));
          } else {
            file.setList(item.group, item.key, item.list);
            model.set(name, item.list);
          }
        }
        for (const state of [file, parseKeyfile(file.toString(), "again")]) {
          const found = state.groups().flatMap((at) => state.keys(at).map((name) => `${at}/${name}`));
          expect(found.sort()).toEqual([...model.keys()].sort());
          for (const [name, list] of model) {
            const [at = "", of = ""] = name.split("/");
            expect(state.getList(at, of)).toEqual(list);
          }
        }
      }),
    );
  });
});
