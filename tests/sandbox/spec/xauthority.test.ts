// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import fc from "fast-check";
import { selectXauthority } from "../../../src/sandbox/spec/xauthority.ts";

function entry(family: number, ...fields: readonly string[]): Buffer {
  const parts = fields.map((field) =>
    Buffer.concat([Buffer.from([field.length >> 8, field.length & 255]), Buffer.from(field)]),
  );
  return Buffer.concat([Buffer.from([family >> 8, family & 255]), ...parts]);
}

const cookie = "MIT-MAGIC-COOKIE-1";
const mine = entry(256, "machine", "0", cookie, "mine");

test("selectXauthority() keeps the keys of one display of this machine, for any host name", () => {
  const file = Buffer.concat([
    entry(256, "elsewhere", "0", cookie, "not mine"),
    entry(256, "machine", "1", cookie, "other display"),
    entry(0, "\x7f\0\0\x01", "0", cookie, "over the network"),
    mine,
    entry(65535, "", "", cookie, "any"),
  ]);
  const expected = [entry(65535, "", "0", cookie, "mine"), entry(65535, "", "0", cookie, "any")];
  expect(selectXauthority(file, "machine", "0")).toEqual(Buffer.concat(expected));
  expect(selectXauthority(file, "machine", "7")).toEqual(entry(65535, "", "7", cookie, "any"));
  expect(selectXauthority(Buffer.from("no such file"), "machine", "0")).toBeUndefined();
});

test("selectXauthority() is safe with any bytes, and takes what is whole before the damage", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
      const found = selectXauthority(Buffer.concat([mine, noise]), "machine", "0");
      expect(Buffer.from(found ?? []).includes("mine")).toBe(true);
    }),
  );
});
