// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { DowelError, isDowelError } from "../../../src/base/errors.ts";
import { PodReader } from "../../../src/formats/pod/read.ts";
import { podType } from "../../../src/formats/pod/types.ts";
import { write } from "../../../src/formats/pod/write.ts";

const read = (bytes: Uint8Array): PodReader => PodReader.values(bytes, 0, bytes.length);

describe("PodReader", () => {
  test("reads the bytes that PipeWire 0.3.65 sends", () => {
    const hello = Buffer.from("10000000 0e000000 04000000 04000000 03000000 00000000".replaceAll(" ", ""), "hex");
    expect(read(hello).struct().int()).toBe(3);
    expect(write.struct(write.int(3))).toEqual(new Uint8Array(hello));
  });

  test("reads what was written", () => {
    const texts = fc.string({ unit: "grapheme" }).filter((text) => !text.includes("\0") && text.isWellFormed());
    const dictionaries = fc.array(fc.tuple(texts, texts)).map((entries) => new Map(entries));
    const numbers = fc.integer();
    const longs = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
    fc.assert(
      fc.property(numbers, longs, texts, dictionaries, (number, long, text, dictionary) => {
        const values = [write.int(number), write.long(long), write.text(text)];
        const inner = write.struct(write.dictionary(dictionary));
        const reader = read(write.struct(...values, write.descriptor(0), inner, write.int(7))).struct();
        expect([reader.int(), reader.long(), reader.text()]).toEqual([number, long, text]);
        reader.skip();
        expect(reader.struct().dictionary()).toEqual(dictionary);
        expect([reader.int(), reader.done]).toEqual([7, true]);
      }),
    );
  });

  test("of a property that comes twice takes the last value, and none for none", () => {
    const none = new Uint8Array([0, 0, 0, 0, podType.none, 0, 0, 0]);
    const pairs = ["a", "1", "a", "2", "b"].map(write.text);
    const reader = read(Buffer.concat([write.int(3), ...pairs, none]));
    expect(reader.dictionary()).toEqual(new Map([["a", "2"]]));
  });

  test("takes of a text what PipeWire takes", () => {
    const text = write.text("ab\0c");
    expect(read(text).text()).toBe("ab");
  });

  test.each([
    ["nothing", new Uint8Array()],
    ["a cut head", write.int(1).subarray(0, 7)],
    ["a cut value", write.int(1).subarray(0, 11)],
    ["a size beyond the end", Buffer.from("ffffffff0400000000000000", "hex")],
    ["a size below that of the type", Buffer.from("020000000400000001000000", "hex")],
    ["another type", write.text("5")],
  ])("refuses %s where there must be a number", (_name, bytes) => {
    expect(() => read(bytes).int()).toThrow(DowelError);
  });

  test.each([
    ["a text without an end", Buffer.from("02000000080000006162000000000000", "hex")],
    ["an empty text", Buffer.from("0000000008000000", "hex")],
    ["a struct", write.struct()],
  ])("refuses %s where there must be a text", (_name, bytes) => {
    expect(() => read(bytes).text()).toThrow(DowelError);
  });

  test("refuses more properties than there may be, before it looks for them", () => {
    for (const count of [-1, 1 << 30]) expect(() => read(write.int(count)).dictionary()).toThrow(/from 0 to/);
  });

  test("throws nothing else, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(5), (bytes, type) => {
        if (bytes.length >= 8) bytes.set([bytes.length - 8, 0, 0, 0, type + 10, 0, 0, 0]);
        try {
          const reader = read(bytes).struct();
          while (!reader.done) reader.dictionary();
        } catch (error) {
          if (!isDowelError(error, "SOUND_PROTOCOL")) throw error;
        }
      }),
    );
  });
});
