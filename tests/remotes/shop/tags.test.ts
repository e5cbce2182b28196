// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Digest } from "../../../src/oci/digest.ts";
import type { Entry } from "../../../src/remotes/shop/format.ts";
import { keyOf, newestTags, nextEntryTag, parseEntryTag } from "../../../src/remotes/shop/tags.ts";

function entryOf(ref: string, image: string, repository = "org.test.app"): Entry {
  const labels = new Map([["org.flatpak.ref", ref]]);
  const digest = `sha256:${image.padEnd(64, "0")}` as Digest;
  return { repository, digest, tags: [], labels, about: {}, appstream: new Map() };
}

const ref = "app/org.test.App/x86_64/stable";

test("nextEntryTag() counts on, and its tag says what it was made of", () => {
  const first = nextEntryTag(entryOf(ref, "aa"), undefined);
  const second = nextEntryTag(entryOf(ref, "bb"), first);
  expect([first.number, second.number]).toEqual([1, 2]);
  expect(parseEntryTag(second.tag)).toEqual(second);
  expect(second.tag).toMatch(/^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/);
});

test("keyOf() keeps refs and repositories apart", () => {
  const keys = [entryOf(ref, "aa"), entryOf(`${ref}2`, "aa"), entryOf(ref, "aa", "other"), entryOf(ref, "bb")].map(
    keyOf,
  );
  expect(new Set(keys.slice(0, 3)).size).toBe(3);
  expect(keys[3]).toBe(keys[0] ?? "");
});

test("newestTags() has one answer whatever the order, also where two took one number", () => {
  const first = nextEntryTag(entryOf(ref, "aa"), undefined);
  const tags = ["aa", "bb", "cc"].map((image) => nextEntryTag(entryOf(ref, image), first).tag);
  const others = ["latest", "stable", "entry.x.y.z", `entry.${"0".repeat(32)}.1.${"0".repeat(16)}`];
  const all = [...tags, ...others, first.tag];
  fc.assert(
    fc.property(fc.shuffledSubarray(all, { minLength: all.length }), (shuffled) => {
      expect([...newestTags(shuffled).values()].map(({ tag }) => tag)).toEqual([[...tags].sort().at(-1) ?? ""]);
    }),
  );
});
