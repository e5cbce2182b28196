// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  byteStringOf,
  byteStringOfBytes,
  bytesOfByteString,
  textOfByteString,
} from "../../../src/formats/composefs/bytestring.ts";
import { xxh32 } from "../../../src/formats/composefs/xxh32.ts";

describe("byte-strings", () => {
  test("byteStringOf() has one character for each UTF-8 byte", () => {
    expect(byteStringOf("plain")).toBe("plain");
    expect(byteStringOf("ä€")).toBe("\xc3\xa4\xe2\x82\xac");
  });

  test("textOfByteString() gives the text back, or nothing where it is not UTF-8", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        expect(textOfByteString(byteStringOf(text))).toBe(text);
      }),
    );
    expect(textOfByteString("\xff")).toBeUndefined();
  });

  test("byteStringOfBytes() and bytesOfByteString() undo each other and keep the order", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 20 }), fc.uint8Array({ maxLength: 20 }), (left, right) => {
        const [a, b] = [byteStringOfBytes(left), byteStringOfBytes(right)];
        expect(bytesOfByteString(a)).toEqual(left);
        expect(Math.sign(Buffer.compare(left, right))).toBe(a < b ? -1 : Number(a > b));
      }),
    );
  });
});

describe("xxh32()", () => {
  for (const [text, seed, hash] of [
    ["", 0, 0x02cc5d05],
    ["", 0x9e3779b1, 0x36b78ae7],
    ["a", 0, 0x550d7456],
    ["abc", 0, 0x32d153ff],
    ["Nobody inspects the spammish repetition", 0, 0xe2293b2f],
  ] as const) {
    test(`xxh32() of ${JSON.stringify(text)} with seed ${seed} is the published one`, () => {
      expect(xxh32(text, seed)).toBe(hash);
    });
  }
});
