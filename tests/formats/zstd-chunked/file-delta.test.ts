// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { hash } from "node:crypto";
import { zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { limits } from "../../../src/base/limits.ts";
import {
  applyFilePatch,
  encodeFileDelta,
  makeFilePatch,
  parseFileDelta,
} from "../../../src/formats/zstd-chunked/file-delta.ts";
import { pairFiles } from "../../../src/formats/zstd-chunked/file-pairs.ts";
import type { Toc } from "../../../src/formats/zstd-chunked/toc.ts";
import { entry, file, noise, openLayer, writeLayer } from "./support.ts";

const digestOf = (bytes: Uint8Array): string => `sha256:${hash("sha256", bytes)}`;
const code = (name: string) => expect.objectContaining({ code: name });

async function patch(from: Uint8Array, to: Uint8Array, cost = Number.MAX_SAFE_INTEGER) {
  return await makeFilePatch(from, to, { from: digestOf(from), to: digestOf(to) }, cost);
}

const old = noise(100_000, 5);
const next = Buffer.concat([old.subarray(0, 30_000), noise(40, 6), old.subarray(30_000)]);

test("makeFilePatch() is small where little has changed, and nothing where it does not save enough", async () => {
  const small = await patch(old, next);
  expect(small?.patch.length).toBeLessThan(200);
  expect(await patch(old, noise(50_000, 7), 50_000)).toBeUndefined();
  expect(await patch(Buffer.concat([Buffer.from("37a430ec", "hex"), old]), next)).toBeUndefined();
});

test("applyFilePatch() makes any content again of any other, through the bytes of a delta", async () => {
  const content = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.tuple(fc.nat(9000), fc.nat(3)).map(([length, seed]) => noise(length, seed + 1)),
  );
  await fc.assert(
    fc.asyncProperty(content, content, async (from, to) => {
      const made = await patch(from, to);
      const [read, more] = parseFileDelta(encodeFileDelta(made === undefined ? [] : [made]));
      expect(more).toBeUndefined();
      if (read === undefined) return;
      expect(Buffer.compare(applyFilePatch(read, from), to)).toBe(0);
    }),
    { numRuns: 50 },
  );
});

test("parseFileDelta() refuses what is no delta, or not whole", async () => {
  const made = await patch(old, next);
  const bytes = Buffer.from(encodeFileDelta(made === undefined ? [] : [made]));
  expect(() => parseFileDelta(noise(100))).toThrow(code("ZSTD_CHUNKED_INVALID"));
  expect(() => parseFileDelta(new Uint8Array(0))).toThrow(code("ZSTD_CHUNKED_INVALID"));
  for (const length of [20, 84, bytes.length - 1]) {
    expect(() => parseFileDelta(bytes.subarray(0, length))).toThrow("it ends inside");
  }
  bytes.writeUInt32LE(limits.patchedFileBytes + 1, 13 + 64);
  expect(() => parseFileDelta(bytes)).toThrow(code("LIMIT_EXCEEDED"));
});

test("applyFilePatch() refuses damage, bombs, and what makes another content", async () => {
  const made = await patch(old, next);
  if (made === undefined) throw new Error("no patch");
  const other = { ...made, digest: digestOf(old) };
  expect(() => applyFilePatch(other, old)).toThrow(code("DIGEST_MISMATCH"));
  expect(() => applyFilePatch(made, noise(100_000, 8))).toThrow(code("DIGEST_MISMATCH"));
  const bomb = { ...made, patch: zstdCompressSync(new Uint8Array(64 * 1024 * 1024)) };
  expect(() => applyFilePatch(bomb, old)).toThrow(code("COMPRESSION_INVALID"));
  const cut = { ...made, patch: made.patch.subarray(0, -1) };
  expect(() => applyFilePatch(cut, old)).toThrow(code("COMPRESSION_INVALID"));
});

test("pairFiles() takes the same path, else the only one that differs in digits, and nothing that is there", async () => {
  const tocOf = async (files: Readonly<Record<string, Uint8Array>>) => {
    const { blob, layer } = await writeLayer(Object.entries(files).map(([path, body]) => file(path, body)));
    return openLayer(blob, layer.annotations).toc;
  };
  const from = await tocOf({
    "lib/libz.so.1.2": noise(5000, 1),
    "lib/libb.so.1": noise(5000, 2),
    "lib/libb.so.2": noise(5000, 3),
    "lib/liba.so": noise(5000, 4),
    "lib/same": noise(5000, 5),
  });
  const to = await tocOf({
    "lib/libz.so.1.3": noise(5000, 11),
    "lib/libb.so.3": noise(5000, 12),
    "lib/liba.so": noise(5000, 14),
    "lib/moved": noise(5000, 5),
    "lib/new": noise(5000, 16),
    "lib/small": noise(100, 17),
  });
  const pairs = pairFiles(from, to).map((pair) => [pair.from.path, pair.to.path]);
  expect(pairs).toEqual([
    ["lib/libz.so.1.2", "lib/libz.so.1.3"],
    ["lib/liba.so", "lib/liba.so"],
  ]);
});

test("pairFiles() takes no more contents than patches may make for a layer", () => {
  const tocOf = (version: string, sizes: readonly number[]): Toc => ({
    entries: sizes.map((size, at) => {
      const digest = `sha256:${hash("sha256", `${version} ${at}`)}`;
      const chunk = { offset: 0, size, digest, start: at * 10_000, end: (at + 1) * 10_000, hole: false };
      return { ...entry(`lib/${"abcdefghijklmnopqrstuvwxyzABCDEFGHIJ"[at]}`, { size }), digest, chunks: [chunk] };
    }),
    tarSplitDigest: undefined,
  });
  const taken = (sizes: readonly number[]) =>
    pairFiles(tocOf("one", sizes), tocOf("two", sizes)).map(({ to }) => to.size);
  const full = Array.from(
    { length: limits.patchedLayerBytes / limits.patchedFileBytes },
    () => limits.patchedFileBytes,
  );
  expect(taken(full)).toEqual(full);
  expect(taken([...full, 1])).toEqual(full);
  const almost = [...full.slice(1), limits.patchedFileBytes - 3000];
  // what is too much is left out, and what still fits is not
  expect(taken([...almost, 3001, 3000])).toEqual([...almost, 3000]);
  expect(taken([limits.patchedFileBytes + 1])).toEqual([]);
});
