// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { packedBound, packZstd, ZstdPacker } from "../../src/sys/zstd.ts";
import { noise } from "../formats/zstd-chunked/support.ts";

const text = Buffer.alloc(1_000_000, "Every frame stands alone, whatever was packed before it. ");
const contents = [0, 1, 64, 4096, 70_000, 1_000_000].flatMap((size) => [noise(size), text.subarray(0, size)]);

test.each([1, 3, 9])("ZstdPacker gives the frames of packZstd() at level %d, one after the other", (level) => {
  using packer = new ZstdPacker(level);
  for (const bytes of [...contents, ...contents.toReversed()]) {
    const room = new Uint8Array(packedBound(bytes.length));
    const frame = room.subarray(0, packer.pack(bytes, room));
    expect(Buffer.compare(frame, packZstd(bytes, level))).toBe(0);
  }
});

test("ZstdPacker refuses memory without room for a frame", () => {
  using packer = new ZstdPacker(3);
  expect(() => packer.pack(noise(10_000), new Uint8Array(5000))).toThrow("no room for a frame of 10000");
});
