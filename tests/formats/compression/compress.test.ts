// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { compress } from "../../../src/formats/compression/compress.ts";
import { detectCompression } from "../../../src/formats/compression/kind.ts";
import { ahead, regroup } from "../../../src/formats/compression/pump.ts";
import { chunked, collect, noise, skippable, unpackAll } from "./support.ts";

const content = Buffer.concat([Buffer.alloc(1_500_000, "abcdefgh\n"), noise(1_000_000)]);

describe("compress()", () => {
  test.each(["gzip", "zstd"] as const)("%s gives what its peer and decompress() unpack", async (kind) => {
    for (const bytes of [content, Buffer.alloc(0), Buffer.from("x")]) {
      const packed = await collect(compress(chunked(bytes), kind, 3));
      const peer = spawnSync(kind, ["-dc"], { input: packed, maxBuffer: 64 * 1024 * 1024 });
      expect(peer.status).toBe(0);
      expect(peer.stdout.equals(bytes)).toBe(true);
      expect((await unpackAll(packed)).equals(bytes)).toBe(true);
    }
  });

  test.each(["gzip", "zstd"] as const)("%s does not depend on the chunks or the time", async (kind) => {
    const whole = await collect(compress(chunked(content, content.length), kind, 6));
    for (const size of [999, 65536, 1_048_577]) {
      expect((await collect(compress(chunked(content, size), kind, 6))).equals(whole)).toBe(true);
    }
    if (kind === "gzip") expect([...whole.subarray(4, 8)]).toEqual([0, 0, 0, 0]);
    else expect((whole[4] ?? 0) & 0x04).toBe(0x04);
  });

  test("heeds the level", async () => {
    const source = Buffer.from(Array.from({ length: 40_000 }, (_, index) => `${index} ${index * index}\n`).join(""));
    for (const [kind, low, high] of [
      ["gzip", 1, 9],
      ["zstd", 1, 12],
    ] as const) {
      const fast = await collect(compress(chunked(source), kind, low));
      const best = await collect(compress(chunked(source), kind, high));
      expect(best.length).toBeLessThan(fast.length);
    }
  });

  test("ends with ABORTED when the signal has fired", async () => {
    const signal = AbortSignal.abort();
    await expect(collect(compress(chunked(content), "zstd", 3, { signal }))).rejects.toMatchObject({ code: "ABORTED" });
  });
});

describe("detectCompression()", () => {
  test("tells by the first bytes", () => {
    expect(detectCompression(gzipSync("x"))).toBe("gzip");
    expect(detectCompression(zstdCompressSync("x"))).toBe("zstd");
    expect(detectCompression(skippable("x"))).toBe("zstd");
    for (const head of ["", "\x1f", "BZh9", "ustar"])
      expect(detectCompression(Buffer.from(head, "latin1"))).toBe("none");
  });
});

describe("regroup()", () => {
  test("keeps the bytes and gives every chunk but the last the same size", async () => {
    const chunks = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(chunks, fc.integer({ min: 1, max: 50 }), async (parts, size) => {
        async function* source(): AsyncGenerator<Uint8Array> {
          yield* parts;
        }
        const result: Buffer[] = [];
        for await (const chunk of regroup(source(), size)) result.push(Buffer.from(chunk));
        expect(Buffer.concat(result).equals(Buffer.concat(parts))).toBe(true);
        expect(result.slice(0, -1).every((chunk) => chunk.length === size)).toBe(true);
        expect(result.at(-1)?.length ?? 1).toBeGreaterThan(0);
      }),
    );
  });
});

describe("ahead()", () => {
  test("asks for the next chunk before the last one is used, and gives an error in its place", async () => {
    const asked: number[] = [];
    async function* source(): AsyncGenerator<Uint8Array> {
      for (let index = 0; ; index++) {
        asked.push(index);
        if (index === 2) throw new Error("the wire was cut");
        yield Uint8Array.of(index);
      }
    }
    const seen: string[] = [];
    const run = async (): Promise<void> => {
      for await (const chunk of ahead(source())) seen.push(`${chunk[0]}: asked for ${asked.at(-1)}`);
    };
    await expect(run()).rejects.toThrow("the wire was cut");
    expect(seen).toEqual(["0: asked for 1", "1: asked for 2"]);
  });

  test("closes its source where it is left early", async () => {
    let closed = false;
    async function* source(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield Uint8Array.of(1);
      } finally {
        closed = true;
      }
    }
    for await (const _ of ahead(source())) break;
    expect(closed).toBe(true);
  });
});
