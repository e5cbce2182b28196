// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import fc from "fast-check";
import { Chunker } from "../../../src/formats/zstd-chunked/chunker.ts";
import { noise } from "./support.ts";

interface Cut {
  readonly size: number;
  readonly hole: boolean;
}

/** The chunks of a body that comes in pieces of the given sizes, in turn. */
function chunksOf(body: Uint8Array, sizes: readonly number[] = [body.length]): Cut[] {
  const cuts: Cut[] = [];
  const parts: Uint8Array[] = [];
  let size = 0;
  const chunker = new Chunker({
    data(bytes) {
      size += bytes.length;
      parts.push(bytes);
    },
    cut(hole) {
      if (size > 0) cuts.push({ size, hole });
      size = 0;
    },
  });
  for (let at = 0, turn = 0; at < body.length; turn++) {
    const length = sizes[turn % sizes.length] || 1;
    chunker.push(body.subarray(at, at + length));
    at += length;
  }
  chunker.finish();
  expect(Buffer.compare(Buffer.concat(parts), body)).toBe(0);
  return cuts;
}

/** The same by the definition, a byte at a time. */
function chunksByDefinition(body: Uint8Array): Cut[] {
  const cuts: Cut[] = [];
  const window = new Uint8Array(64);
  let [sum1, sum2, place, size] = [64 * 31, 64 * 63 * 31, 0, 0];
  const cut = (hole: boolean) => {
    if (size > 0) cuts.push({ size, hole });
    size = 0;
  };
  const roll = (byte: number) => {
    const drop = window[place] ?? 0;
    sum1 = (sum1 + byte - drop) >>> 0;
    sum2 = (sum2 + sum1 - 64 * (drop + 31)) >>> 0;
    window[place] = byte;
    place = (place + 1) % 64;
  };
  for (let at = 0; at < body.length; ) {
    let zeros = 0;
    while (at + zeros < body.length && body[at + zeros] === 0) zeros++;
    if (zeros >= 1024) {
      cut(false);
      size = zeros;
      for (let count = 0; count < zeros; count++) roll(0);
      cut(true);
      at += zeros;
      continue;
    }
    for (const end = at + Math.max(zeros, 1); at < end; at++) {
      roll(body[at] ?? 0);
      size++;
      if ((sum2 & 0xffff) === 0xffff) cut(false);
    }
  }
  cut(false);
  return cuts;
}

const bodies = fc
  .array(
    fc.oneof(
      fc.tuple(fc.nat(200_000), fc.nat(9)).map(([length, seed]) => noise(length, seed)),
      fc.oneof(fc.nat(3000), fc.integer({ min: 1020, max: 1028 })).map((length) => new Uint8Array(length)),
      fc.uint8Array({ maxLength: 20 }),
    ),
    { maxLength: 6 },
  )
  .map((parts) => new Uint8Array(Buffer.concat(parts)));

test("Chunker cuts where the definition of the sums and of holes says", () => {
  fc.assert(
    fc.property(bodies, (body) => expect(chunksOf(body)).toEqual(chunksByDefinition(body))),
    { numRuns: 60 },
  );
});

test("Chunker cuts at the same places however the body comes", () => {
  fc.assert(
    fc.property(bodies, fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 5 }), (body, sizes) =>
      expect(chunksOf(body, sizes)).toEqual(chunksOf(body)),
    ),
    { numRuns: 60 },
  );
});

test("Chunker finds the old chunks again behind an insertion", () => {
  const body = noise(3_000_000);
  const changed = Buffer.concat([body.subarray(0, 1_000_000), Buffer.from("inserted"), body.subarray(1_000_000)]);
  const before = chunksOf(body);
  const after = chunksOf(changed);
  expect(before.length).toBeGreaterThan(20);
  const same = (left: readonly Cut[], right: readonly Cut[]) =>
    left.findIndex(({ size }, index) => size !== right[index]?.size);
  const fromStart = same(before, after);
  const fromEnd = same([...before].reverse(), [...after].reverse());
  expect(fromStart + fromEnd).toBeGreaterThanOrEqual(before.length - 2);
});

test("Chunker keeps 1023 zeros as data and makes 1024 a hole", () => {
  const around = (zeros: number) => Buffer.concat([Buffer.from("a"), new Uint8Array(zeros), Buffer.from("b")]);
  expect(chunksOf(around(1023))).toEqual([{ size: 1025, hole: false }]);
  expect(chunksOf(around(1024))).toEqual([
    { size: 1, hole: false },
    { size: 1024, hole: true },
    { size: 1, hole: false },
  ]);
});
