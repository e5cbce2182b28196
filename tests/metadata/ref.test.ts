// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import {
  formatRef,
  isValidBranch,
  isValidId,
  matchesRef,
  parsePartialRef,
  parseRef,
  parseRuntimeName,
  sameRef,
} from "../../src/metadata/ref.ts";

describe("parseRef()", () => {
  test("reads what formatRef() writes", () => {
    for (const text of [
      "app/org.example.Hello/x86_64/stable",
      "runtime/org.debian.Platform/aarch64/12",
      "app/a.b.c-d/x86_64/1.0-rc_1",
    ]) {
      expect(formatRef(parseRef(text))).toBe(text);
    }
  });

  test.each([
    "",
    "app",
    "org.example.Hello",
    "app/org.example.Hello",
    "app/org.example.Hello//stable",
    "app/org.example/x86_64/stable",
    "app/org.exa-mple.Hello/x86_64/stable",
    "app/org.1x.Hello/x86_64/stable",
    "app/org.example.Hello/../stable",
    "app/org.example.Hello/x86_64/.hidden",
    "app/org.example.Hello/x86_64/a/b",
    "other/org.example.Hello/x86_64/stable",
    "app/org.example.Hello/x86_64/sta\nble",
    `app/org.example.${"H".repeat(250)}/x86_64/stable`,
  ])("refuses %j", (text) => {
    expect(() => parseRef(text)).toThrow(expect.objectContaining({ code: "REF_INVALID" }));
  });
});

test("parsePartialRef() reads every short form", () => {
  const id = "org.example.Hello";
  expect(parsePartialRef(id)).toEqual({ kind: undefined, id, arch: undefined, branch: undefined });
  expect(parsePartialRef(`${id}//beta`)).toEqual({ kind: undefined, id, arch: undefined, branch: "beta" });
  expect(parsePartialRef(`${id}/aarch64`)).toEqual({ kind: undefined, id, arch: "aarch64", branch: undefined });
  expect(parsePartialRef(`runtime/${id}/x86_64/1`)).toEqual({ kind: "runtime", id, arch: "x86_64", branch: "1" });
});

test("matchesRef() compares only the parts that are named", () => {
  const ref = parseRef("app/org.example.Hello/x86_64/stable");
  expect(matchesRef(ref, parsePartialRef("org.example.Hello"))).toBe(true);
  expect(matchesRef(ref, parsePartialRef("org.example.Hello//beta"))).toBe(false);
  expect(matchesRef(ref, parsePartialRef("runtime/org.example.Hello"))).toBe(false);
});

test("parseRuntimeName() and sameRef() agree with parseRef()", () => {
  expect(
    sameRef(parseRuntimeName("org.debian.Platform/x86_64/12"), parseRef("runtime/org.debian.Platform/x86_64/12")),
  ).toBe(true);
});

test("isValidId() and isValidBranch() hold to their limits", () => {
  expect(isValidId("a.b")).toBe(false);
  expect(isValidId("a.b.c")).toBe(true);
  expect(isValidId("a.b.c..d")).toBe(false);
  expect(isValidBranch("a".repeat(129))).toBe(false);
});
