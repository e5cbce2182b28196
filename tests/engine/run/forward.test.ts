// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { resolve } from "node:path";
import { takeForwardingMarks } from "../../../src/engine/run/forward.ts";

test("takeForwardingMarks() takes the marks out and tells which words name files", () => {
  const words = ["-x", "@@u", "file:///a%20b", "https://example.org/", "c", "@@", "@@", "/d", "@@", "y@@"];
  expect(takeForwardingMarks(words)).toEqual([
    { word: "-x", path: undefined, isUri: false },
    { word: "file:///a%20b", path: "/a b", isUri: true },
    { word: "https://example.org/", path: undefined, isUri: true },
    { word: "c", path: resolve("c"), isUri: true },
    { word: "/d", path: "/d", isUri: false },
    { word: "y@@", path: undefined, isUri: false },
  ]);
  expect(takeForwardingMarks(["@@u", "@@"])).toEqual([]);
});

test.each(["file://other.example/a", "file:///a%00b", "file:///%2e%2e%2f"])(
  "takeForwardingMarks() leaves a URI alone that names no file here: %s",
  (word) => {
    expect(takeForwardingMarks(["@@u", word, "@@"])).toEqual([{ word, path: undefined, isUri: true }]);
  },
);

test("takeForwardingMarks() refuses what is not closed or empty", () => {
  expect(() => takeForwardingMarks(["@@", "/a"])).toThrow("not closed");
  expect(() => takeForwardingMarks(["@@", "", "@@"])).toThrow("empty");
});
