// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { isDowelError } from "../../../src/base/errors.ts";
import { type Variant, variant } from "../../../src/formats/dbus/types.ts";
import { readVariant } from "../../../src/formats/gvariant/read.ts";
import { writeVariant } from "../../../src/formats/gvariant/write.ts";
import { variants } from "./variants.ts";

/** Serialised forms as `g_variant_get_data()` of GLib 2.74 gives them for a value in a variant. */
const known: readonly (readonly [Variant, string])[] = [
  [variant("y", 0), "00 00 79"],
  [variant("s", "hi"), "68 69 00 00 73"],
  [variant("as", ["a", "bc"]), "61 00 62 63 00 02 05 00 61 73"],
  [variant("(is)", [1, "x"]), "01 00 00 00 78 00 00 28 69 73 29"],
  [variant("(si)", ["x", 1]), "78 00 00 00 01 00 00 00 02 00 28 73 69 29"],
  [variant("(yu)", [1, 2]), "01 00 00 00 02 00 00 00 00 28 79 75 29"],
  [variant("(uy)", [2, 1]), "02 00 00 00 01 00 00 00 00 28 75 79 29"],
  [variant("as", []), "00 61 73"],
  [variant("b", true), "01 00 62"],
];

function bytesOf(hex: string): Uint8Array {
  return Buffer.from(hex.replaceAll(" ", ""), "hex");
}

describe("GVariant", () => {
  test.each(known)("%j has the bytes that GLib gives it", (value, hex) => {
    expect(writeVariant(value).toString("hex")).toBe(hex.replaceAll(" ", ""));
    expect(readVariant(bytesOf(hex))).toEqual(value);
  });

  test("what is written is read again", () => {
    fc.assert(
      fc.property(variants, (value) => {
        expect(readVariant(writeVariant(value))).toEqual(value);
      }),
    );
  });

  test("reads the other byte order", () => {
    expect(readVariant(bytesOf("00 00 00 05 00 75"), false)).toEqual(variant("u", 5));
  });

  test.each([
    ["", "a variant with its type"],
    ["00", "one type"],
    ["00 61", "one type"],
    ["00 73 73", "one type"],
    ["02 00 62", "0 or 1"],
    ["68 69 00 73", "ends with NUL"],
    ["ff 00 00 73", "UTF-8"],
    ["01 00 00 00 00 75 75", "one type"],
    ["01 00 00 00 75", "type 'u'"],
    ["01 01 00 00 02 00 00 00 00 28 79 75 29", "padding"],
    ["61 00 62 63 00 02 09 00 61 73", "last element"],
    ["61 00 62 63 00 09 05 00 61 73", "end of an element"],
    ["78 00 00 00 01 00 00 00 09 00 28 73 69 29", "within its tuple"],
  ])("refuses %p, and says where and what was expected", (hex, expected) => {
    expect(() => readVariant(bytesOf(hex))).toThrow(expected);
  });

  test("answers any damage with a value or its own error", () => {
    fc.assert(
      fc.property(variants, fc.nat(), fc.nat(255), fc.boolean(), (value, at, byte, cut) => {
        const bytes = writeVariant(value);
        bytes[at % bytes.length] = byte;
        try {
          readVariant(cut ? bytes.subarray(0, at % bytes.length) : bytes);
        } catch (error) {
          expect(isDowelError(error, "GVARIANT_INVALID")).toBe(true);
        }
      }),
    );
  });
});
