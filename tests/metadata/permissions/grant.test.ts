// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { formatGrants, isGranted, mergeGrants, parseGrants } from "../../../src/metadata/permissions/grant.ts";
import { grantsOf } from "./arbitrary.ts";

const known = new Set(["x", "y", "all", "input"]);
const parse = (text: string) => parseGrants(text.split(";").filter(Boolean), known);
const format = (text: string) => formatGrants(parse(text)).join(";");

describe("parseGrants()", () => {
  test.each([
    ["x", { allowed: true, reset: true, conditions: [] }],
    ["!x", { allowed: false, reset: true, conditions: [] }],
    ["x;if:x:a", { allowed: false, reset: false, conditions: ["a"] }],
    ["if:x:a", { allowed: false, reset: false, conditions: ["a"] }],
    ["!x;x;if:x:a", { allowed: false, reset: true, conditions: ["a"] }],
    ["if:x:a;x", { allowed: true, reset: true, conditions: [] }],
    ["if:x:b;x;if:x:a", { allowed: false, reset: false, conditions: ["a", "b"] }],
    ["if:x:a;!x", { allowed: false, reset: true, conditions: [] }],
    ["!x;x", { allowed: true, reset: true, conditions: [] }],
    ["if:x:!a;if:x:!a", { allowed: false, reset: false, conditions: ["!a"] }],
  ])("parseGrants() reads %s", (text, expected) => {
    expect(parse(text).get("x")).toEqual(expected);
  });

  test("parseGrants() leaves out names that it does not know", () => {
    expect([...parse("z;!z;if:z:a;x").keys()]).toEqual(["x"]);
  });

  test.each(["if:x", "if:x:a:b", "if::a", "if:x:", "!if:x:a", "x:y", "!"])("parseGrants() refuses %s", (text) => {
    expect(() => parse(text)).toThrow(expect.objectContaining({ code: "PERMISSION_INVALID" }));
  });
});

describe("formatGrants()", () => {
  test.each([
    ["all;if:all:!has-input-device;input", "all;if:all:!has-input-device;input"],
    ["y;x", "x;y"],
    ["!x;x;if:x:b;if:x:a", "!x;x;if:x:a;if:x:b"],
    ["!y", "!y"],
  ])("formatGrants() writes %s as %s", (text, expected) => {
    expect(format(text)).toBe(expected);
  });

  test("formatGrants() is the inverse of parseGrants()", () => {
    fc.assert(
      fc.property(grantsOf("devices"), (grants) => {
        const names = new Set([...grants.keys()]);
        expect(parseGrants(formatGrants(grants), names)).toEqual(
          new Map([...grants].sort(([a], [b]) => (a < b ? -1 : 1))),
        );
      }),
    );
  });
});

describe("mergeGrants()", () => {
  const merge = (lower: string, upper: string) => formatGrants(mergeGrants(parse(lower), parse(upper))).join(";");

  test.each([
    ["x", "!x", "!x"],
    ["!x", "x", "x"],
    ["x;if:x:a", "x;if:x:b", "x;if:x:a;if:x:b"],
    ["x;if:x:a", "!x;x;if:x:b", "!x;x;if:x:b"],
    ["x;if:x:a", "!x", "!x"],
    ["x", "x;if:x:a", "!x;x;if:x:a"],
    ["x", "y", "x;y"],
    ["", "x;if:x:a", "x;if:x:a"],
  ])("mergeGrants() puts %s below %s", (lower, upper, expected) => {
    expect(merge(lower, upper)).toBe(expected);
  });

  test("mergeGrants() does not depend on where three layers are put together first", () => {
    const layer = grantsOf("shared");
    fc.assert(
      fc.property(layer, layer, layer, (a, b, c) => {
        expect(mergeGrants(mergeGrants(a, b), c)).toEqual(mergeGrants(a, mergeGrants(b, c)));
      }),
    );
  });
});

describe("isGranted()", () => {
  const holds: Record<string, boolean> = { yes: true, no: false };
  const granted = (text: string) => isGranted(parse(text), "x", (name) => holds[name]);

  test.each([
    ["x", true],
    ["!x", false],
    ["y", false],
    ["x;if:x:yes", true],
    ["x;if:x:no", false],
    ["x;if:x:!no", true],
    ["x;if:x:no;if:x:yes", true],
    ["x;if:x:unknown", false],
    ["x;if:x:!unknown", false],
  ])("isGranted() answers for %s: %p", (text, expected) => {
    expect(granted(text)).toBe(expected);
  });
});
