// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { formatRanges, type Held, planFetch } from "../../../src/formats/zstd-chunked/plan.ts";
import { file, noise, writeLayer } from "./support.ts";

const { layer, blob } = await writeLayer([
  file("a", noise(400_000, 1)),
  file("b", Buffer.concat([noise(400_000, 1), noise(300_000, 2)])),
  file("small", "x"),
  file("again", "x"),
  file("hole", Buffer.concat([noise(100, 7), new Uint8Array(50_000)])),
]);
const { toc } = layer;
const find = (path: string) => toc.entries.find((entry) => entry.path === path) ?? toc.entries[0];
const nothing: Held = { file: () => false, chunk: () => false };

describe("planFetch()", () => {
  test("fetches every content once, and no holes", () => {
    const plan = planFetch(toc, blob.length, nothing, { mergeGap: 0 });
    expect(plan.wanted.map(({ entry }) => entry.path)).toEqual(["a", "b", "small", "hole"]);
    const fetched = plan.ranges.flatMap(({ pieces }) => pieces.map(({ chunk }) => chunk.digest));
    expect(new Set(fetched).size).toBe(fetched.length);
    expect(plan.wanted.at(-1)?.origins).toEqual(["fetched", "hole"]);
    const shared = plan.wanted[1]?.origins.filter((origin) => typeof origin === "object") ?? [];
    expect(shared.length).toBeGreaterThan(2);
    for (const origin of shared) expect(origin).toMatchObject({ entry: { path: "a" } });
  });

  test("leaves out the files and chunks that are held", () => {
    const held: Held = {
      file: (digest) => digest === find("small")?.digest,
      chunk: (digest) => find("a")?.chunks.some((chunk) => chunk.digest === digest) === true,
    };
    const plan = planFetch(toc, blob.length, held);
    expect(plan.wanted.map(({ entry }) => entry.path)).toEqual(["a", "b", "hole"]);
    expect(plan.wanted[0]?.origins.every((origin) => origin === "held")).toBe(true);
    expect(plan.whole).toBe(false);
    const all: Held = { file: () => true, chunk: () => true };
    expect(planFetch(toc, blob.length, all)).toEqual({ ranges: [], wanted: [], bytes: 0, whole: false });
  });

  test("says that the whole blob is cheaper where nothing is held", () => {
    expect(planFetch(toc, 700_000, nothing, { maxRanges: 1 }).whole).toBe(true);
    expect(planFetch(toc, 2_000_000, nothing, { maxRanges: 1 }).whole).toBe(false);
  });

  test("merges ranges with small gaps, then the closest ones down to the limit", () => {
    fc.assert(
      fc.property(fc.nat(2 ** 20), fc.integer({ min: 1, max: 6 }), fc.nat(3000), (pick, maxRanges, mergeGap) => {
        const order = new Map(toc.entries.flatMap(({ chunks }) => chunks).map(({ digest }, index) => [digest, index]));
        const chunk = (digest: string) => ((pick >> ((order.get(digest) ?? 0) % 20)) & 1) === 1;
        const fine = planFetch(toc, blob.length, { file: () => false, chunk }, { mergeGap: -1, maxRanges: 1e6 });
        const plan = planFetch(toc, blob.length, { file: () => false, chunk }, { mergeGap, maxRanges });
        expect(plan.ranges.length).toBeLessThanOrEqual(maxRanges);
        expect(plan.ranges.flatMap(({ pieces }) => pieces)).toEqual(fine.ranges.flatMap(({ pieces }) => pieces));
        const closed: number[] = [];
        const open: number[] = [];
        for (const [index, range] of plan.ranges.entries()) {
          expect(range.start).toBe(range.pieces[0]?.chunk.start ?? -1);
          expect(range.end).toBe(range.pieces.at(-1)?.chunk.end ?? -1);
          const next = plan.ranges[index + 1];
          if (next !== undefined) open.push(next.start - range.end);
          for (const [at, { chunk: before }] of range.pieces.entries()) {
            const after = range.pieces[at + 1]?.chunk;
            if (after !== undefined) closed.push(after.start - before.end);
          }
        }
        expect(Math.min(...open)).toBeGreaterThan(mergeGap);
        if (plan.ranges.length < maxRanges) expect(Math.max(...closed, 0)).toBeLessThanOrEqual(mergeGap);
        else expect(Math.max(...closed, 0)).toBeLessThanOrEqual(Math.max(mergeGap, Math.min(...open)));
      }),
    );
  });
});

test("formatRanges() names the last byte of each range", () => {
  expect(
    formatRanges([
      { start: 0, end: 1 },
      { start: 5, end: 10 },
    ]),
  ).toBe("bytes=0-0,5-9");
});
