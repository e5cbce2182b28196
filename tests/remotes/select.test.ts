// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { formatRef, parsePartialRef, parseRef } from "../../src/metadata/ref.ts";
import { type Offer, selectRef } from "../../src/remotes/select.ts";
import type { Remote } from "../../src/remotes/types.ts";

function offer(name: string, refs: readonly string[], changes: Partial<Remote> = {}): Offer {
  const flags = { priority: 1, disabled: false, noEnumerate: false, noDeps: false, gpgVerify: false };
  return {
    remote: { name, url: "oci:/x", ...flags, ...changes },
    refs: refs.map((ref) => ({
      remote: name,
      ref: parseRef(ref),
      commit: "0".repeat(64),
      place: { kind: "layout", path: "/x" },
      tags: [],
      labels: new Map(),
      metadata: "",
      runtime: undefined,
      downloadSize: 0,
      installedSize: 0,
    })),
  };
}

const stable = "app/org.example.Hello/x86_64/stable";
const beta = "app/org.example.Hello/x86_64/beta";

test("selectRef() finds a ref by its id, and by each part", () => {
  for (const text of ["org.example.Hello", "org.example.Hello//stable", "org.example.Hello/x86_64/stable", stable]) {
    expect(formatRef(selectRef([offer("a", [stable])], parsePartialRef(text)).ref)).toBe(stable);
  }
});

test("selectRef() lists the candidates when several refs fit", () => {
  expect(() => selectRef([offer("a", [stable, beta])], parsePartialRef("org.example.Hello"))).toThrow(
    expect.objectContaining({ code: "REF_AMBIGUOUS", message: expect.stringContaining(`${stable}, ${beta}`) }),
  );
});

test("selectRef() takes the remote's default branch when no branch is named", () => {
  const offers = [offer("a", [stable, beta], { defaultBranch: "beta" })];
  expect(formatRef(selectRef(offers, parsePartialRef("org.example.Hello")).ref)).toBe(beta);
  expect(formatRef(selectRef(offers, parsePartialRef("org.example.Hello//stable")).ref)).toBe(stable);
});

test("selectRef() takes the remote of highest priority, and asks when two are equal", () => {
  const partial = parsePartialRef("org.example.Hello");
  expect(selectRef([offer("a", [stable]), offer("b", [stable], { priority: 2 })], partial).remote).toBe("b");
  expect(() => selectRef([offer("a", [stable]), offer("b", [stable])], partial)).toThrow(
    expect.objectContaining({ code: "REF_AMBIGUOUS", message: expect.stringContaining("a, b") }),
  );
});

test.each(["org.example.Helo", "org.example.hello", "org.elsewhere.Hello"])("selectRef() suggests for %p", (text) => {
  expect(() => selectRef([offer("a", [stable])], parsePartialRef(text))).toThrow(
    expect.objectContaining({ code: "REF_NOT_FOUND", hint: "Did you mean org.example.Hello?" }),
  );
});

test("selectRef() suggests other branches when the id is right", () => {
  expect(() => selectRef([offer("a", [stable])], parsePartialRef("org.example.Hello//devel"))).toThrow(
    expect.objectContaining({ code: "REF_NOT_FOUND", hint: `Did you mean ${stable}?` }),
  );
});

test("selectRef() suggests nothing when nothing is alike", () => {
  expect(() => selectRef([offer("a", [stable])], parsePartialRef("com.other.Thing"))).toThrow(
    expect.objectContaining({ code: "REF_NOT_FOUND", hint: undefined }),
  );
});
