// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { isDowelError } from "../../../src/base/errors.ts";
import { formatDump } from "../../../src/formats/composefs/dump-format.ts";
import { parseDump } from "../../../src/formats/composefs/dump-parse.ts";
import { imageCases } from "./cases.ts";
import { treeArbitrary } from "./trees.ts";

const root = "/ 0 40755 2 0 0 0 0.0 - - -";
const parseLines = (...lines: readonly string[]) => parseDump([root, ...lines].join("\n"));

describe("parseDump()", () => {
  test("parseDump() gives back every tree that was formatted, as text and as bytes", () => {
    fc.assert(
      fc.property(treeArbitrary, (tree) => {
        const dump = formatDump(tree);
        expect(formatDump(parseDump(dump))).toBe(dump);
        expect(formatDump(parseDump(Buffer.from(dump)))).toBe(dump);
      }),
      { numRuns: 100 },
    );
  });

  test("parseDump() reads escapes and raw bytes alike", () => {
    const escaped = parseLines("/\\xc3\\xa4\\\\\\n 0 100644 1 0 0 0 0.0 - - - user.\\x3d=\\x00\\x2d");
    expect([...escaped.entries.keys()]).toEqual(["\xc3\xa4\\\n"]);
    expect(escaped.entries.get("\xc3\xa4\\\n")?.xattrs).toEqual(new Map([["user.=", "\0-"]]));
    const raw = parseDump(Buffer.from(`${root}\n/ä 0 100644 1 0 0 0 0.0 - - -\n`));
    expect([...raw.entries.keys()]).toEqual(["\xc3\xa4"]);
  });

  test("parseDump() follows hard links forwards and through other links", () => {
    const tree = parseLines(
      "/a 0 @100644 1 0 0 0 0.0 /b - -",
      "/b 0 @100644 1 0 0 0 0.0 /c - -",
      "/c 0 100644 3 0 0 0 0.0 - - -",
    );
    expect(tree.entries.get("c")).toBeDefined();
    expect(tree.entries.get("a")).toBe(tree.entries.get("c"));
    expect(tree.entries.get("b")).toBe(tree.entries.get("c"));
  });

  test("parseDump() tells a target of - from none", () => {
    const tree = parseLines("/l 1 120777 1 0 0 0 0.0 \\x2d - -");
    expect(tree.entries.get("l")).toMatchObject({ kind: "symlink", target: "-" });
    expect(() => parseLines("/l 1 120777 1 0 0 0 0.0 - - -")).toThrow(/target/);
  });

  const malformed: readonly (readonly [string, string, RegExp])[] = [
    ["too few fields", "/a 0 100644 1 0 0 0 0.0 - -", /line 2: 11 fields/],
    ["a file before its folder", "/d/a 0 100644 1 0 0 0 0.0 - - -", /line 2: the folder/],
    ["a path that is not absolute", "a 0 100644 1 0 0 0 0.0 - - -", /line 2/],
    ["a path with ..", "/.. 0 100644 1 0 0 0 0.0 - - -", /name/],
    ["the root twice", root, /name/],
    ["a mode without type", "/a 0 0644 1 0 0 0 0.0 - - -", /line 2: mode/],
    ["a mode of no known type", "/a 0 170644 1 0 0 0 0.0 - - -", /line 2: mode/],
    ["a mode that is not octal", "/a 0 100684 1 0 0 0 0.0 - - -", /line 2: mode/],
    ["a negative size", "/a -1 100644 1 0 0 0 0.0 - - -", /line 2: size/],
    ["a size that is not that of the content", "/a 3 100644 1 0 0 0 0.0 - ab -", /line 2: size/],
    ["a time without nanoseconds", "/a 0 100644 1 0 0 0 5 - - -", /line 2: mtime/],
    ["too many nanoseconds", "/a 0 100644 1 0 0 0 0.1000000000 - - -", /nanoseconds/],
    ["a malformed escape", "/a\\q 0 100644 1 0 0 0 0.0 - - -", /line 2: .*escape/],
    ["a zero byte in a name", "/a\\x00 0 100644 1 0 0 0 0.0 - - -", /line 2: .*escape/],
    ["a short digest", "/a 9 100644 1 0 0 0 0.0 ab/c - abcd", /line 2: the digest/],
    ["an xattr without value", "/a 0 100644 1 0 0 0 0.0 - - - user.x", /line 2: an xattr/],
    ["an xattr twice", "/a 0 100644 1 0 0 0 0.0 - - - user.x=1 user.x=2", /line 2: an xattr/],
    ["a link to nothing", "/a 0 @100644 1 0 0 0 0.0 /b - -", /line 2: the target/],
    ["a link to itself", "/a 0 @100644 1 0 0 0 0.0 /a - -", /line 2: a hard link/],
    ["a link to a folder", "/a 0 @100644 1 0 0 0 0.0 / - -", /line 2/],
    ["an empty line", "", /line 2/],
  ];
  for (const [name, line, message] of malformed) {
    test(`parseDump() refuses ${name}`, () => {
      const thrown = expect.objectContaining({ code: "COMPOSEFS_INVALID", message: expect.stringMatching(message) });
      expect(() => parseDump(`${root}\n${line}\n/z 0 100644 1 0 0 0 0.0 - - -\n`)).toThrow(thrown);
    });
  }

  test("parseDump() refuses a path that is there twice and links in a circle", () => {
    const file = "/a 0 100644 1 0 0 0 0.0 - - -";
    expect(() => parseLines(file, file)).toThrow(/line 3: .*twice/);
    expect(() => parseLines("/a 0 @100644 1 0 0 0 0.0 /b - -", "/b 0 @100644 1 0 0 0 0.0 /a - -")).toThrow(/itself/);
    expect(() => parseDump("")).toThrow(/line 1/);
  });

  test("parseDump() follows a long chain of links in one walk", () => {
    const links = Array.from({ length: 20_000 }, (_, at) => `/l${at} 0 @100644 1 0 0 0 0.0 /l${at + 1} - -`);
    const tree = parseLines(...links, "/l20000 0 100644 1 0 0 0 0.0 - - -");
    expect(tree.entries.get("l0")).toBe(tree.entries.get("l20000"));
  });

  test("parseDump() gives a tree or an error for users where a dump is damaged", () => {
    const dumps = imageCases.map(({ dump }) => dump).filter((dump) => dump.length < 2000);
    fc.assert(
      fc.property(
        fc.constantFrom(...dumps),
        fc.nat(),
        fc.nat(3),
        fc.string({ maxLength: 3 }),
        (dump, at, cut, text) => {
          const place = at % dump.length;
          try {
            formatDump(parseDump(dump.slice(0, place) + text + dump.slice(place + cut)));
          } catch (error) {
            if (!isDowelError(error)) throw error;
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe("formatDump()", () => {
  test("formatDump() writes each kind of inode as composefs-dump(5) says", () => {
    const dump = [
      "/ 0 40755 3 0 0 0 0.0 - - -",
      "/dir 0 41777 2 0 0 0 -1.5 - - - user.a\\x3d=1\\x3d",
      "/dir/a\\x20b 3 100644 2 1 2 0 0.0 - a\\nb -",
      "/hard 3 @100644 2 1 2 0 0.0 /dir/a\\x20b a\\nb -",
      "/link 2 120777 1 0 0 0 0.0 .. - -",
      "/null 0 20666 1 0 0 259 0.0 - - -",
      "",
    ].join("\n");
    expect(formatDump(parseDump(dump))).toBe(dump);
  });
});
