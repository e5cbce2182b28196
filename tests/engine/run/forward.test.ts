// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { takeForwardingMarks } from "../../../src/engine/run/forward.ts";

test("takeForwardingMarks() takes the marks out and leaves every other word", () => {
  expect(takeForwardingMarks(["-x", "@@u", "file:///a", "file:///b", "@@", "@@", "/c", "@@", "y@@"])).toEqual([
    "-x",
    "file:///a",
    "file:///b",
    "/c",
    "y@@",
  ]);
  expect(takeForwardingMarks(["@@u", "@@"])).toEqual([]);
});

test("takeForwardingMarks() refuses what is not closed or empty", () => {
  expect(() => takeForwardingMarks(["@@", "/a"])).toThrow("not closed");
  expect(() => takeForwardingMarks(["@@", "", "@@"])).toThrow("empty");
});
