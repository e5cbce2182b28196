// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { usbQueryFits } from "../../../src/metadata/permissions/usb.ts";

const key = { vendor: "1050", product: "0407", classes: ["03:01", "0b:00"] };

test.each([
  ["all", true],
  ["vnd:1050", true],
  ["vnd:1051", false],
  ["vnd:1050+dev:0407", true],
  ["vnd:1050+dev:0408", false],
  ["cls:03:*", true],
  ["cls:03:01", true],
  ["cls:03:00", false],
  ["cls:0b:00", true],
  ["cls:09:*", false],
  ["cls:0b:*+vnd:1050", true],
  ["cls:0b:*+vnd:1051", false],
])("usbQueryFits() judges %s", (query, fits) => {
  expect(usbQueryFits(query, key)).toBe(fits);
});

test("usbQueryFits() finds no class in a device that has none", () => {
  expect(usbQueryFits("cls:00:*", { ...key, classes: [] })).toBe(false);
  expect(usbQueryFits("all", { ...key, classes: [] })).toBe(true);
});
