// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { hash } from "node:crypto";
import { zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { limits } from "../../../src/base/limits.ts";
import {
  type DigestedContent,
  encodeFileDelta,
  makeFileFrame,
  openFileFrame,
  parseFileDelta,
  sizeInDelta,
} from "../../../src/formats/zstd-chunked/file-delta.ts";
import { noise } from "./support.ts";

const content = (bytes: Uint8Array): DigestedContent => ({ digest: `sha256:${hash("sha256", bytes)}`, bytes });
const code = (name: string) => expect.objectContaining({ code: name });

const old = content(noise(100_000, 5));
const next = content(Buffer.concat([old.bytes.subarray(0, 30_000), noise(40, 6), old.bytes.subarray(30_000)]));

test("makeFileFrame() is small where little has changed, and needs no earlier content where that is a dictionary", async () => {
  const frame = await makeFileFrame(old, [next]);
  expect(frame.from).toBe(old.digest);
  expect(frame.patch.length).toBeLessThan(200);
  const dictionary = content(Buffer.concat([Buffer.from("37a430ec", "hex"), old.bytes]));
  const plain = await makeFileFrame(dictionary, [next]);
  expect(plain.from).toBeUndefined();
  expect(openFileFrame(plain, undefined)).toEqual([next]);
});

test("openFileFrame() makes any contents again, of any other or of none, through the bytes of a delta", async () => {
  const any = fc
    .oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.tuple(fc.nat(9000), fc.nat(3)).map(([length, seed]) => noise(length, seed + 1)),
    )
    .map(content);
  const some = fc.tuple(fc.option(any, { nil: undefined }), fc.array(any, { minLength: 1, maxLength: 5 }));
  await fc.assert(
    fc.asyncProperty(fc.array(some, { maxLength: 4 }), async (wanted) => {
      const frames = await Promise.all(wanted.map(([from, to]) => makeFileFrame(from, to)));
      const delta = encodeFileDelta(frames);
      expect(delta.length).toBe(frames.reduce((sum, frame) => sum + sizeInDelta(frame), 13));
      const read = parseFileDelta(delta);
      expect(read).toHaveLength(wanted.length);
      for (const [at, [from, to]] of wanted.entries()) {
        const frame = read[at];
        if (frame === undefined) throw new Error("no frame");
        const earlier = frame.from === undefined ? undefined : from?.bytes;
        const made = openFileFrame(frame, earlier);
        expect(made.map(({ digest }) => digest)).toEqual(to.map(({ digest }) => digest));
        for (const [index, { bytes }] of made.entries()) {
          expect(Buffer.compare(bytes, to[index]?.bytes ?? noise(1))).toBe(0);
        }
      }
    }),
    { numRuns: 50 },
  );
});

test("parseFileDelta() refuses what is no delta, not whole, or too much", async () => {
  const bytes = Buffer.from(encodeFileDelta([await makeFileFrame(old, [next, old])]));
  expect(parseFileDelta(bytes)).toHaveLength(1);
  expect(parseFileDelta(bytes.subarray(0, 13))).toEqual([]);
  expect(() => parseFileDelta(noise(100))).toThrow(code("ZSTD_CHUNKED_INVALID"));
  expect(() => parseFileDelta(new Uint8Array(0))).toThrow(code("ZSTD_CHUNKED_INVALID"));
  for (const length of [14, 52, 53, 100, 124, bytes.length - 1]) {
    expect(() => parseFileDelta(bytes.subarray(0, length))).toThrow("it ends inside");
  }
  const changed = (at: number, value: number): Buffer => {
    const copy = Buffer.from(bytes);
    copy.writeUInt32LE(value, at);
    return copy;
  };
  for (const at of [13, 17]) expect(() => parseFileDelta(changed(at, 0xffff_ffff))).toThrow("it ends inside");
  expect(() => parseFileDelta(changed(17, 0))).toThrow("a frame must have contents");
  expect(() => parseFileDelta(changed(13 + 72, 0xffff_ffff))).toThrow(code("LIMIT_EXCEEDED"));
  expect(() => parseFileDelta(changed(13 + 72, limits.patchedFileBytes - old.bytes.length + 1))).toThrow(
    code("LIMIT_EXCEEDED"),
  );
  expect(parseFileDelta(changed(13 + 72, limits.patchedFileBytes - old.bytes.length))).toHaveLength(1);
});

test("openFileFrame() refuses damage, bombs, and sizes that lie", async () => {
  const frame = await makeFileFrame(old, [next]);
  const damaged = code("COMPRESSION_INVALID");
  const bomb = { ...frame, patch: zstdCompressSync(new Uint8Array(64 * 1024 * 1024)) };
  expect(() => openFileFrame(bomb, old.bytes)).toThrow(damaged);
  const cut = { ...frame, patch: frame.patch.subarray(0, -1) };
  expect(() => openFileFrame(cut, old.bytes)).toThrow(damaged);
  for (const size of [0, next.bytes.length - 1, next.bytes.length + 1]) {
    expect(() => openFileFrame({ ...frame, to: [{ digest: next.digest, size }] }, old.bytes)).toThrow(damaged);
  }
});
