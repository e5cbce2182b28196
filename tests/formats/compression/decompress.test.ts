// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { isDowelError } from "../../../src/base/errors.ts";
import { limits } from "../../../src/base/limits.ts";
import { decompress } from "../../../src/formats/compression/decompress.ts";
import { chunked, collect, errorOf, noise, skippable, unpackAll } from "./support.ts";

const text = Buffer.concat([Buffer.from("all work and no play ".repeat(200)), noise(3000)]);
const gzip = gzipSync(text);
// made by the peer, with the checksum that one-shot calls leave out
const zstd = spawnSync("zstd", ["-q", "-c"], { input: text }).stdout;
const samples = [
  ["gzip", gzip],
  ["zstd", zstd],
] as const;

describe("decompress()", () => {
  test.each(samples)("reads several pieces of %s one after the other, however they are cut", async (_, one) => {
    const joined = Buffer.concat([one, one, one]);
    for (const size of [1, 7, 4096, joined.length]) {
      expect((await unpackAll(joined, size)).equals(Buffer.concat([text, text, text]))).toBe(true);
    }
  });

  test("passes over skippable frames of zstd wherever they stand", async () => {
    const joined = Buffer.concat([skippable("a"), zstd, skippable(""), zstd, skippable("footer".repeat(50_000))]);
    for (const size of [3, joined.length]) {
      expect((await unpackAll(joined, size)).equals(Buffer.concat([text, text]))).toBe(true);
    }
  });

  test("reads thousands of small frames", async () => {
    const parts = Array.from({ length: 5000 }, (_, index) => Buffer.from(`file ${index} `.repeat(1 + (index % 40))));
    const frames = Buffer.concat(parts.map((part) => zstdCompressSync(part)));
    expect((await unpackAll(frames)).equals(Buffer.concat(parts))).toBe(true);
  });

  test("passes on what is not compressed", async () => {
    for (const bytes of [Buffer.alloc(0), Buffer.from("x"), text]) {
      expect((await unpackAll(bytes, 1000)).equals(bytes)).toBe(true);
      expect((await collect(decompress(chunked(bytes), "none"))).equals(bytes)).toBe(true);
    }
    expect((await collect(decompress(chunked(gzip), "none"))).equals(gzip)).toBe(true);
  });

  test.each(samples)("refuses %s that is cut short at any offset", async (kind, one) => {
    for (let end = 0; end < one.length; end += end < 100 || end > one.length - 20 ? 1 : 37) {
      const error = await errorOf(decompress(chunked(one.subarray(0, end)), kind));
      expect({ end, code: error?.code }).toEqual({ end, code: "COMPRESSION_INVALID" });
    }
  });

  test.each(samples)("refuses the second piece of %s where it is cut short", async (kind, one) => {
    for (const length of [1, 4, 8, one.length - 1]) {
      const bytes = Buffer.concat([one, one.subarray(0, length)]);
      expect((await errorOf(decompress(chunked(bytes), kind)))?.code).toBe("COMPRESSION_INVALID");
    }
  });

  test.each(samples)("refuses %s with anything behind it", async (kind, one) => {
    for (const rest of [Buffer.from([0]), Buffer.alloc(600), Buffer.from("garbage"), text]) {
      for (const size of [one.length, one.length + rest.length]) {
        const error = await errorOf(decompress(chunked(Buffer.concat([one, rest]), size), kind));
        expect(error?.code).toBe("COMPRESSION_INVALID");
        expect(error?.message).toMatch(/offset \d+/);
      }
    }
  });

  test.each(samples)("never takes damaged %s for whole, and throws nothing but DowelError", async (kind, one) => {
    const offset = fc.nat(one.length - 1);
    const flips = fc.array(fc.tuple(offset, fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(flips, async (changes) => {
        const bad = Buffer.from(one);
        for (const [at, mask] of changes) bad[at] = (bad[at] ?? 0) ^ mask;
        try {
          expect((await collect(decompress(chunked(bad), kind))).equals(text)).toBe(true);
        } catch (error) {
          if (!isDowelError(error)) throw error;
        }
      }),
      { numRuns: 300 },
    );
  });

  test("refuses input of another kind than it was told", async () => {
    expect((await errorOf(decompress(chunked(text), "gzip")))?.code).toBe("COMPRESSION_INVALID");
    expect((await errorOf(decompress(chunked(text), "zstd")))?.code).toBe("COMPRESSION_INVALID");
    expect((await errorOf(decompress(chunked(gzip), "zstd")))?.code).toBe("COMPRESSION_INVALID");
  });

  test("stops at maxBytes", async () => {
    for (const kind of ["gzip", "zstd"] as const) {
      const stream = chunked(kind === "gzip" ? gzip : zstd);
      expect((await errorOf(decompress(stream, kind, { maxBytes: text.length - 1 })))?.code).toBe("LIMIT_EXCEEDED");
    }
    expect(await errorOf(decompress(chunked(gzip), "gzip", { maxBytes: text.length }))).toBeUndefined();
    expect((await errorOf(decompress(chunked(text), "none", { maxBytes: 5 })))?.code).toBe("LIMIT_EXCEEDED");
  });

  test.each(samples)("stops a bomb of %s, and only after the floor", async (kind) => {
    const pack = kind === "gzip" ? gzipSync : zstdCompressSync;
    const allowed = pack(Buffer.alloc(limits.expansionFloorBytes));
    expect(await errorOf(decompress(chunked(allowed), kind))).toBeUndefined();
    const piece = pack(Buffer.alloc(16 * 1024 * 1024));
    // frames of zeros: gzip packs to 1:1028, zstd to far less
    const bomb = Buffer.concat(Array.from({ length: 8 }, () => piece));
    expect((await errorOf(decompress(chunked(bomb), kind)))?.code).toBe("LIMIT_EXCEEDED");
  });

  test("refuses a zstd window that needs too much memory", async () => {
    const small = spawnSync("zstd", ["-q", "-c", "--long=27"], { input: text }).stdout;
    expect((await unpackAll(small)).equals(text)).toBe(true);
    const large = spawnSync("zstd", ["-q", "-c", "--long=28"], { input: text }).stdout;
    expect((await errorOf(decompress(chunked(large), "zstd")))?.code).toBe("LIMIT_EXCEEDED");
  });

  test("hands on the error of its source, and closes the source where it is left early", async () => {
    let closed = 0;
    async function* source(fails: boolean): AsyncGenerator<Uint8Array> {
      try {
        for (let count = 0; ; count++) {
          if (fails && count === 3) throw new Error("the wire was cut");
          yield zstd;
        }
      } finally {
        closed++;
      }
    }
    await expect(collect(decompress(source(true), "zstd"))).rejects.toThrow("the wire was cut");
    for await (const chunk of decompress(source(false), "zstd")) {
      expect(chunk.length).toBeGreaterThan(0);
      break;
    }
    expect(closed).toBe(2);
  });

  test("ends with ABORTED when the signal fires", async () => {
    const controller = new AbortController();
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) yield zstd;
    }
    let chunks = 0;
    const run = async (): Promise<void> => {
      for await (const _ of decompress(endless(), "zstd", { signal: controller.signal })) {
        if (++chunks === 2) controller.abort();
      }
    };
    await expect(run()).rejects.toMatchObject({ code: "ABORTED" });
  });
});
