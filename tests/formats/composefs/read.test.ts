// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { isDowelError } from "../../../src/base/errors.ts";
import { formatDump } from "../../../src/formats/composefs/dump-format.ts";
import { parseDump } from "../../../src/formats/composefs/dump-parse.ts";
import { readComposefs } from "../../../src/formats/composefs/read.ts";
import { writeComposefs } from "../../../src/formats/composefs/write.ts";
import { imageCases } from "./cases.ts";
import { treeArbitrary } from "./trees.ts";

const bytesOf = (dump: string) => writeComposefs(parseDump(dump), { version: 1 });
const caseImages = imageCases.map(({ dump }) => bytesOf(dump));

/** Reads what may be damaged: a tree, or an error for users; anything else fails the test. */
function readHostile(image: Uint8Array): boolean {
  try {
    const { root, version } = readComposefs(image);
    // What was accepted can be written again.
    writeComposefs(root, { version: version === 2 ? 1 : version });
    return true;
  } catch (error) {
    if (isDowelError(error)) return false;
    throw error;
  }
}

function withWord(image: Uint8Array, offset: number, value: number): Uint8Array {
  const changed = image.slice();
  new DataView(changed.buffer).setUint32(offset, value, true);
  return changed;
}

describe("readComposefs()", () => {
  for (const { name, dump } of imageCases) {
    test(`readComposefs() gives back the tree of ${name}`, () => {
      const { root, version } = readComposefs(bytesOf(dump));
      expect(version).toBe(1);
      expect(formatDump(root)).toBe(formatDump(parseDump(dump)));
      expect(root).toEqual(readComposefs(writeComposefs(root, { version: 1 })).root);
    });
  }

  test("readComposefs() gives back every tree that was written", () => {
    fc.assert(
      fc.property(treeArbitrary, fc.constantFrom(0 as const, 1 as const), (root, version) => {
        const image = writeComposefs(root, { version });
        const again = readComposefs(image).root;
        expect(formatDump(again)).toBe(formatDump(root));
        expect(Buffer.compare(writeComposefs(again, { version }), image)).toBe(0);
      }),
      { numRuns: 150 },
    );
  });

  test("readComposefs() makes several names of an inode one object", () => {
    const dump = "/ 0 40755 2 0 0 0 0.0 - - -\n/a 0 100644 2 0 0 0 0.0 - - -\n/b 0 @100644 1 0 0 0 0.0 /a - -\n";
    const { root } = readComposefs(bytesOf(dump));
    expect(root.entries.get("a")).toBeDefined();
    expect(root.entries.get("a")).toBe(root.entries.get("b"));
  });
});

describe("readComposefs() of hostile images", () => {
  test("readComposefs() refuses an image that is cut anywhere before its end", () => {
    for (const image of caseImages) {
      for (let length = 0; length < image.length - 4096; length += 509) {
        expect(readHostile(image.subarray(0, length))).toBe(false);
      }
    }
  });

  test("readComposefs() gives a tree or an error where bytes are flipped", () => {
    let refused = 0;
    fc.assert(
      fc.property(
        fc.nat(caseImages.length - 1),
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 4 }),
        (choice, flips) => {
          const image = (caseImages[choice] ?? new Uint8Array()).slice();
          // The first half of the flips goes where the structure is dense.
          flips.forEach(([place, mask], index) => {
            const offset = index % 2 === 0 ? 1024 + (place % 12_000) : place % image.length;
            image[offset % image.length] = (image[offset % image.length] ?? 0) ^ mask;
          });
          if (!readHostile(image)) refused++;
        },
      ),
      { numRuns: 2500 },
    );
    expect(refused).toBeGreaterThan(250);
  });

  const [first = new Uint8Array()] = caseImages;
  const invalid = expect.objectContaining({ code: "COMPOSEFS_INVALID" });

  test("readComposefs() refuses a folder that contains itself", () => {
    const image = bytesOf("/ 0 40755 2 0 0 0 0.0 - - -\n/d 0 40755 2 0 0 0 0.0 - - -\n");
    const view = new DataView(image.buffer);
    const rootNid = view.getUint16(1024 + 14, true);
    // The entry of "d" is the last of the root's only block.
    const block = view.getUint32(rootNid * 32 + 16, true) * 4096;
    const count = view.getUint16(block + 8, true) / 12;
    expect(() => readComposefs(withWord(image, block + 12 * (count - 1), rootNid))).toThrow(invalid);
  });

  test("readComposefs() refuses folders that share their entries, before reading them again and again", () => {
    const names = Array.from({ length: 200 }, (_, index) => `/big/${"n".repeat(200)}${index}`);
    const folders = Array.from({ length: 500 }, (_, index) => `/d${index} 0 40755 2 0 0 0 0.0 - - -`);
    const files = names.map((name) => `${name} 0 100644 1 0 0 0 0.0 - - -`);
    const image = bytesOf(
      ["/ 0 40755 2 0 0 0 0.0 - - -", "/big 0 40755 2 0 0 0 0.0 - - -", ...files, ...folders].join("\n"),
    );
    const view = new DataView(image.buffer);
    const isBig = (at: number) => view.getUint16(at + 4, true) === 0o40755 && view.getUint32(at + 8, true) > 40_000;
    let big = 0;
    for (let at = 1152; at < image.length && big === 0; at += 32) if (isBig(at)) big = at;
    expect(big).toBeGreaterThan(0);
    for (let at = 1152; at < image.length - 32; at += 32) {
      // Small folders get the size, the layout and the blocks of the big one.
      const small = view.getUint16(at + 4, true) === 0o40755 && view.getUint32(at + 8, true) < 64;
      if (small) image.copyWithin(at, big, big + 20);
    }
    expect(() => readComposefs(image)).toThrow(invalid);
  });

  test("readComposefs() refuses what is no image", () => {
    for (const bytes of [new Uint8Array(), new Uint8Array(4096), withWord(first, 0, 1), withWord(first, 1024, 1)]) {
      expect(() => readComposefs(bytes)).toThrow(invalid);
    }
  });

  test("readComposefs() refuses an image of an unknown version", () => {
    expect(() => readComposefs(withWord(first, 12, 3))).toThrow(expect.objectContaining({ code: "UNSUPPORTED" }));
  });

  test("readComposefs() names the offset of what is wrong", () => {
    expect(() => readComposefs(withWord(first, 1024 + 12, 0x7fff_000c))).toThrow(/offset \d+/);
  });
});
