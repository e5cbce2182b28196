// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import fc from "fast-check";
import { parseRanges } from "../../src/registry/ranges.ts";

test("parseRanges() reads ranges as RFC 9110 gives them", () => {
  const cases: readonly [string | null, [number, number][] | undefined][] = [
    [null, undefined],
    ["bytes=0-0", [[0, 1]]],
    ["bytes=0-99", [[0, 10]]],
    ["bytes=-3", [[7, 10]]],
    ["bytes=-99", [[0, 10]]],
    [
      "bytes=9-, 0-1",
      [
        [9, 10],
        [0, 2],
      ],
    ],
    ["bytes=10-", []],
    ["bytes=-0", []],
    ["bytes=10-,0-1", [[0, 2]]],
    ["items=0-1", undefined],
    ["bytes=1-0", undefined],
    ["bytes=-", undefined],
    ["bytes=a-b", undefined],
    ["bytes=0-9,0-9", undefined],
  ];
  for (const [header, spans] of cases) {
    expect([header, parseRanges(header, 10)?.map(({ start, end }): [number, number] => [start, end])]).toEqual([
      header,
      spans,
    ]);
  }
});

test("parseRanges() never gives bytes that are not there, nor more than there are", () => {
  const part = fc
    .tuple(fc.option(fc.nat(2000)), fc.option(fc.nat(2000)))
    .map(([from, to]) => `${from ?? ""}-${to ?? ""}`);
  fc.assert(
    fc.property(fc.array(part), fc.nat(1000), (parts, size) => {
      const spans = parseRanges(`bytes=${parts.join(",")}`, size) ?? [];
      for (const { start, end } of spans) expect(start >= 0 && start < end && end <= size).toBe(true);
      expect(spans.reduce((sum, { start, end }) => sum + end - start, 0)).toBeLessThanOrEqual(size);
    }),
  );
});
