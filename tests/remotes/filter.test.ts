// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { parseRef } from "../../src/metadata/ref.ts";
import { parseFilter } from "../../src/remotes/filter.ts";

const passes = (text: string, ref: string): boolean => parseFilter(text, "filter")(parseRef(ref));

test("parseFilter() lets pass what nothing denies", () => {
  expect(passes("", "app/org.example.A/x86_64/stable")).toBe(true);
  expect(passes("# nothing\n\n", "app/org.example.A/x86_64/stable")).toBe(true);
});

test("parseFilter() lets allow win over deny", () => {
  const text = "deny *\nallow org.example.*  # ours\nallow runtime/*";
  expect(passes(text, "app/org.example.A/x86_64/stable")).toBe(true);
  expect(passes(text, "app/org.other.A/x86_64/stable")).toBe(false);
  expect(passes(text, "runtime/org.other.P/x86_64/stable")).toBe(true);
});

test("parseFilter() takes missing parts for any, and dots for dots", () => {
  expect(passes("deny org.example.A//beta", "app/org.example.A/x86_64/beta")).toBe(false);
  expect(passes("deny org.example.A//beta", "app/org.example.A/x86_64/stable")).toBe(true);
  expect(passes("deny org.example.A", "app/org.exampleXA/x86_64/stable".replace("X", "_.b."))).toBe(true);
});

test("parseFilter() names file and line when one is malformed", () => {
  expect(() => parseFilter("deny *\nrefuse x", "/etc/f")).toThrow(
    expect.objectContaining({ code: "REF_INVALID", message: expect.stringContaining("/etc/f:2") }),
  );
  expect(() => parseFilter("deny a/b/c/d/e", "/etc/f")).toThrow(expect.objectContaining({ code: "REF_INVALID" }));
});
