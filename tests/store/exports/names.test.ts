// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { commandName, isOwnBusName, isOwnName, stem } from "../../../src/store/exports/names.ts";

const id = "org.test.App";

test.each([
  [id, true],
  [`${id}-settings`, true],
  [`${id}.Tool`, true],
  [`${id} two`, true],
  [`${id}Foo`, false],
  [`${id}_x`, false],
  [`${id}9`, false],
  ["org.test.Ap", false],
  ["org.other.App", false],
  [`x${id}`, false],
  ["", false],
])("isOwnName() of %j is %j", (name, expected) => {
  expect(isOwnName(name, id)).toBe(expected);
});

test.each([
  [id, [], true],
  [`${id}.Service`, [], true],
  [`${id}.a.b`, [], true],
  [`${id}-x`, [], false],
  [`${id}.`, [], false],
  [`${id}..a`, [], false],
  ["org.free.Thing", [], false],
  ["org.free.Thing", ["org.free.Thing"], true],
  ["org.free.Thing.Sub", ["org.free.Thing"], false],
  ["org.free.Thing.Sub", ["org.free.Thing.*"], true],
  ["org.free.Thing", ["org.free.Thing.*"], true],
  ["org.free.ThingSub", ["org.free.Thing.*"], false],
] as const)("isOwnBusName() of %j with %j is %j", (name, owned, expected) => {
  expect(isOwnBusName(name, id, owned)).toBe(expected);
});

test.each([
  ["a.desktop", [".desktop"], "a"],
  ["a.releases.xml", [".releases.xml"], "a"],
  [".desktop", [".desktop"], undefined],
  ["a.desktop~", [".desktop"], undefined],
  ["a.svgz", [".svg", ".svgz"], "a"],
] as const)("stem() of %j with %j is %j", (name, suffixes, expected) => {
  expect(stem(name, suffixes)).toBe(expected);
});

test.each([
  ["hello", "hello"],
  ["/app/bin/hello-world", "hello-world"],
  ["./run.sh", "run.sh"],
  ["org.test.App", undefined],
  ["org.other.App", undefined],
  ["/app/bin/", undefined],
  ["-rf", undefined],
  ["a b", undefined],
  ["x\n", undefined],
  [undefined, undefined],
])("commandName() of %p is %p", (command, name) => {
  expect(commandName(command, "org.test.App")).toBe(name);
});
