// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import fc from "fast-check";
import { splitLine } from "../../../src/cli/completion/line.ts";

test.each([
  ["dowel inst", [], "inst"],
  ["dowel install ", ["install"], ""],
  ["dowel install 'a b", ["install"], "a b"],
  ['dowel run --env="A=b c" org', ["run", "--env=A=b c"], "org"],
  ["dowel run a\\ b", ["run"], "a b"],
  ["dowel run a\\", ["run"], "a\\"],
  ['dowel run "a\\"b" x', ["run", 'a"b'], "x"],
  ["dowel", [], "dowel"],
  ["", [], ""],
] as const)("splitLine() takes %p apart as a shell does", (line, words, current) => {
  expect(splitLine(line, line.length)).toEqual({ words: [...words], current });
});

test("splitLine() leaves out what is behind the cursor", () => {
  expect(splitLine("dowel install org.example", 8)).toEqual({ words: [], current: "in" });
});

test("splitLine() finds words again that were quoted", () => {
  const word = fc.string({ unit: "grapheme", minLength: 1 }).filter((text) => !text.includes("'"));
  fc.assert(
    fc.property(fc.array(word), word, (words, current) => {
      const line = ["dowel", ...words, current].map((text) => `'${text}'`).join(" ");
      expect(splitLine(line, line.length)).toEqual({ words, current });
    }),
  );
});
