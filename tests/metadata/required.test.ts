// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { checkRequiredVersions } from "../../src/metadata/required.ts";

test.each([
  [[], true],
  [["1.14.9"], true],
  [["1.18.2"], true],
  [["1.18.3"], false],
  [["1.16.7", "1.18.1"], true],
  [["1.16.0", "1.18.9"], false],
  [["1.19.0"], false],
  [["1.14.0", "1.20.0"], false],
  [["2.0.0"], false],
] as const)("checkRequiredVersions() takes %j for 1.18.2: %p", (required, met) => {
  const check = () => checkRequiredVersions(required, "app", "1.18.2");
  if (met) check();
  else expect(check).toThrow(expect.objectContaining({ code: "VERSION_REQUIRED" }));
});

test.each(["1.2", "1.2.3.4", "", "newest", "1.2.-3"])("checkRequiredVersions() refuses %j as a version", (text) => {
  expect(() => checkRequiredVersions([text], "app")).toThrow(expect.objectContaining({ code: "METADATA_INVALID" }));
});
