// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { hash } from "node:crypto";
import { limits } from "../../../src/base/limits.ts";
import { planFrames } from "../../../src/formats/zstd-chunked/file-pairs.ts";
import type { Toc } from "../../../src/formats/zstd-chunked/toc.ts";
import { entry, file, noise, openLayer, writeLayer } from "./support.ts";

const large = limits.sharedFileBytes + 1;
const quarter = limits.sharedFrameBytes / 4;

async function tocOf(files: Readonly<Record<string, Uint8Array>>): Promise<Toc> {
  const { blob, layer } = await writeLayer(Object.entries(files).map(([path, body]) => file(path, body)));
  return openLayer(blob, layer.annotations).toc;
}

const pathsOf = (from: Toc, to: Toc) =>
  planFrames(from, to).map((frame) => [frame.from?.path, frame.to.map(({ path }) => path)]);

test("planFrames() takes the same path, else the only one that differs in digits, and nothing that is there", async () => {
  const from = await tocOf({
    "lib/libz.so.1.2": noise(large, 1),
    "lib/libb.so.1": noise(large, 2),
    "lib/libb.so.2": noise(large, 3),
    "lib/liba.so": noise(large, 4),
    "lib/libc.so": noise(large, 6),
    "lib/same": noise(large, 5),
  });
  const to = await tocOf({
    "lib/small": noise(100, 17),
    "lib/libc.so": noise(large - 1, 19),
    "lib/libz.so.1.3": noise(large, 11),
    "lib/libb.so.3": noise(large, 12),
    "lib/liba.so": noise(large, 14),
    "lib/moved": noise(large, 5),
    "lib/new": noise(quarter + 1, 16),
    "lib/again": noise(quarter + 1, 16),
    "lib/last": noise(quarter, 18),
  });
  expect(pathsOf(from, to)).toEqual([
    ["lib/libz.so.1.2", ["lib/libz.so.1.3"]],
    ["lib/liba.so", ["lib/liba.so"]],
    [undefined, ["lib/new"]],
    [undefined, ["lib/small", "lib/libc.so", "lib/libb.so.3", "lib/last"]],
  ]);
  for (const { cost, to: entries } of planFrames(from, to)) {
    const chunks = entries.flatMap((one) => one.chunks);
    expect(cost).toBe(chunks.reduce((sum, { start, end }) => sum + end - start, 0));
  }
});

/** A table of files of some sizes, all different from those of other versions. */
function tocOfSizes(version: string, sizes: readonly number[]): Toc {
  const entries = sizes.map((size, at) => {
    const digest = `sha256:${hash("sha256", `${version} ${at}`)}`;
    const chunk = { offset: 0, size, digest, start: at * 10_000, end: (at + 1) * 10_000, hole: false };
    return { ...entry(`lib/${"abcdefghijklmnopqrstuvwxyzABCDEFGHIJ"[at]}`, { size }), digest, chunks: [chunk] };
  });
  return { entries, tarSplitDigest: undefined };
}

const sizesOf = (earlier: readonly number[], sizes: readonly number[]) =>
  planFrames(tocOfSizes("one", earlier), tocOfSizes("two", sizes)).map(({ to }) => to.map(({ size }) => size));

test("planFrames() fills frames with small contents up to the limit", () => {
  const five = [1, 2, 3, 4, 5].map(() => quarter);
  expect(sizesOf([], five)).toEqual([five.slice(1), [quarter]]);
  expect(sizesOf([], [quarter, 1, quarter, quarter, quarter])).toEqual([[quarter, 1, quarter, quarter], [quarter]]);
});

test("planFrames() takes no more than deltas may make for a layer, with what it is made of", () => {
  const half = limits.patchedLayerBytes / limits.patchedFileBytes / 2;
  const full = Array.from({ length: half }, () => limits.patchedFileBytes);
  const taken = (sizes: readonly number[]) => sizesOf(full, sizes).flat();
  expect(taken(full)).toEqual(full);
  expect(taken([...full, 1])).toEqual(full);
  expect(sizesOf([], [...full, 1]).flat()).toEqual([...full, 1]);
  const almost = [...full.slice(1), limits.patchedFileBytes - 3000];
  // what is too much is left out, and what still fits is not
  expect(taken([...almost, 3001, 3000])).toEqual([...almost, 3000]);
  expect(taken([limits.patchedFileBytes + 1])).toEqual([]);
});
