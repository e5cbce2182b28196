// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { FsVerityHasher, fsVerityDigest } from "../../../src/formats/fsverity/digest.ts";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

const vectors: readonly (readonly [string, Uint8Array, string])[] = [
  ["nothing", Buffer.alloc(0), "3d248ca542a24fc62d1c43b916eae5016878e2533c88238480b26128a1f1af95"],
  ["one byte", Buffer.from("a"), "bce75948b9e7510293f8f2720412af9697c1479281323f3f220623fb8e94b557"],
  ["a short text", Buffer.from("hello world"), "1e2eaa4202d750a41174ee454970b92c1bc2f925b1e35076d8c7d5f56362ba64"],
  ["one block", Buffer.alloc(4096), "babc284ee4ffe7f449377fbf6692715b43aec7bc39c094a95878904d34bac97e"],
  ["one block and a byte", Buffer.alloc(4097), "093756e4ea9683329106d4a16982682ed182c14bf076463a9e7f97305cbac743"],
  ["128 blocks", Buffer.alloc(524288), "2d15bd7832895de85aa3d5bdfb57251e27bbec75ff467408340ab3eba858a2e1"],
  ["128 blocks and a byte", Buffer.alloc(524289), "e4143a5705610b7ad2eb85482cfc033c7062a89b9faf9118603f592d53fd10e0"],
];

describe("fsVerityDigest()", () => {
  for (const [name, content, digest] of vectors) {
    test(`fsVerityDigest() gives the known digest of ${name}`, () => {
      expect(hex(fsVerityDigest(content))).toBe(digest);
      expect(hex(new FsVerityHasher().update(content).digest())).toBe(digest);
    });
  }
});

describe("FsVerityHasher", () => {
  test("digest() does not depend on how the content is cut", () => {
    const size = fc.constantFrom(0, 1, 4095, 4096, 4097, 12288, 524287, 524288, 524289, 600_000);
    fc.assert(
      fc.property(size, fc.infiniteStream(fc.constantFrom(1, 7, 4095, 4096, 4097, 70_000)), (length, cuts) => {
        const content = Buffer.alloc(length);
        for (let at = 0; at < length; at += 997) content[at] = at % 251;
        const hasher = new FsVerityHasher();
        let at = 0;
        let pieces = 0;
        for (const cut of cuts) {
          if (at >= length) break;
          // Many single bytes would only make the test slow.
          const step = pieces++ > 200 ? 65_536 : cut;
          hasher.update(content.subarray(at, at + step));
          at += step;
        }
        expect(hex(hasher.digest())).toBe(hex(fsVerityDigest(content)));
      }),
      { numRuns: 60 },
    );
  });
});

describe("beside the fsverity program", () => {
  let folder = "";
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "dowel-fsverity-"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test("fsVerityDigest() agrees on sizes around each level of the tree", () => {
    const sizes = [0, 1, 4096, 4097, 524288, 524289, 1_000_003, 128 * 128 * 4096, 128 * 128 * 4096 + 1];
    const all = Buffer.alloc(128 * 128 * 4096 + 1);
    for (let at = 0; at < all.length; at += 1009) all[at] = at % 255;
    for (const size of sizes) {
      const path = join(folder, String(size));
      writeFileSync(path, all.subarray(0, size));
      const peer = execFileSync("fsverity", ["digest", "--compact", path], { encoding: "utf8" }).trim();
      expect(hex(fsVerityDigest(all.subarray(0, size)))).toBe(peer);
      rmSync(path);
    }
  });
});
