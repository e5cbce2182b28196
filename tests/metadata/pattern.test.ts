// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { anyPattern, compilePattern } from "../../src/metadata/pattern.ts";
import { parseRef } from "../../src/metadata/ref.ts";

const app = parseRef("app/org.example.App/x86_64/stable");
const locale = parseRef("runtime/org.example.App.Locale/x86_64/stable");

test.each([
  ["org.example.App", [true, false]],
  ["org.example.*", [true, true]],
  ["*.Locale", [false, true]],
  ["*", [true, true]],
  ["**App*", [true, true]],
  ["runtime/org.example.*", [false, true]],
  ["app/*", [true, false]],
  ["org.example.App/aarch64", [false, false]],
  ["org.example.App//stable", [true, false]],
  ["org.example.App/x86*/sta*le", [true, false]],
  ["*App*App", [false, false]],
  ["orgxexample.App", [false, false]],
  ["org.example", [false, false]],
] as const)("compilePattern() of %s fits what it says", (text, wanted) => {
  const fits = compilePattern(text);
  expect([fits(app), fits(locale)]).toEqual([...wanted]);
});

test("compilePattern() refuses what is no pattern, and one that is too long", () => {
  for (const text of ["a/b/c/d", "app", "a b", "[a]", "x".repeat(256)]) {
    expect(() => compilePattern(text, "mask")).toThrow("must be [KIND/]ID");
  }
  expect(anyPattern(["a b", "org.example.App"])(app)).toBe(true);
});

test("compilePattern() of many stars takes no longer than it has to", () => {
  const id = `org.${"a".repeat(200)}`;
  expect(compilePattern(`${"*a".repeat(100)}b`)({ ...app, id })).toBe(false);
});
