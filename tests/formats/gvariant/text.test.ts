// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { variant } from "../../../src/formats/dbus/types.ts";
import { parseVariant } from "../../../src/formats/gvariant/text.ts";

describe("parseVariant()", () => {
  test.each([
    ["'it\\'s'", variant("s", "it's")],
    ['"\\u00e9\\n"', variant("s", "é\n")],
    ["true", variant("b", true)],
    ["7", variant("i", 7)],
    ["-0x10", variant("i", -16)],
    ["1.5", variant("d", 1.5)],
    ["byte 0x00", variant("y", 0)],
    ["uint64 18446744073709551615", variant("t", 18446744073709551615n)],
    ["objectpath '/a'", variant("o", "/a")],
    ["[byte 1, 2]", variant("ay", Buffer.from([1, 2]))],
    ["b'x'", variant("ay", Buffer.from("x\0"))],
    ["@as []", variant("as", [])],
    ["('a', uint32 3,)", variant("(su)", ["a", 3])],
    [
      "{'a': <1>, 'b': <['x']>}",
      variant(
        "a{sv}",
        new Map([
          ["a", variant("i", 1)],
          ["b", variant("as", ["x"])],
        ]),
      ),
    ],
    ["@a{sv} {}", variant("a{sv}", new Map())],
  ] as const)("%p is a value", (text, expected) => {
    expect(parseVariant(text)).toEqual(expected);
  });

  test.each([
    ["", "a value"],
    ["'x", "the end of the text"],
    ["[]", "as in '@as []'"],
    ["()", "D-Bus has"],
    ["5 5", "the end"],
    ["byte 256", "a number from 0 to 255"],
    ["[1, 'x']", "type 'i'"],
    ["@s 5", "type 's'"],
    ["@ss 5", "one type"],
    ["<1, 2>", "type 'v'"],
    ["nothing", "a value"],
    ["'\\u0000'", "a character's number"],
    ["objectpath 'x'", "type 'o'"],
    ["1e", "a number"],
    ["[".repeat(100), "at most 32"],
  ])("refuses %p: there must be %s", (text, expected) => {
    expect(() => parseVariant(text)).toThrow(expected);
  });
});
