// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { existsSync, mkdirSync, utimesSync } from "node:fs";
import { StageCache } from "../../../src/builder/stages/cache.ts";
import { StageObjects } from "../../../src/builder/stages/objects.ts";
import { tidyStages } from "../../../src/builder/stages/tidy.ts";
import { StateFolder } from "../../../src/builder/state.ts";
import { TestFolder } from "../support.ts";

/** Stages `old`, `middle` and `new`, each with a file of 1000 bytes of its own and one that all have. */
function setUp(folder: TestFolder) {
  const state = new StateFolder(folder.join("state"));
  const objects = new StageObjects(state);
  const cache = new StageCache(state, objects);
  const names = ["old", "middle", "new"];
  for (const [index, name] of names.entries()) {
    mkdirSync(folder.join(name));
    folder.write(`${name}/own`, name.padEnd(1000, "."));
    folder.write(`${name}/common`, "c".repeat(1000));
    cache.save(name, { tree: objects.store(folder.join(name)), changed: [] });
    utimesSync(folder.join(`state/cache/stages/${name}.json`), 1000 + index, 1000 + index);
  }
  return { state, objects, left: () => names.filter((name) => cache.load(name, { isUse: false }) !== undefined) };
}

test.each([
  [10_000, [], ["old", "middle", "new"]],
  [3000, [], ["middle", "new"]],
  [2999, [], ["new"]],
  [0, [], []],
  [0, ["old"], ["old"]],
] as const)("tidyStages() with a limit of %p that must keep %p leaves %p", (limit, keep, expected) => {
  using folder = new TestFolder();
  const { state, objects, left } = setUp(folder);
  expect(tidyStages(state, objects, new Set(keep), limit)).toBe(3 - expected.length);
  expect(left()).toEqual([...expected]);
});

test("tidyStages() goes by the last use, and drops contents that nothing has", () => {
  using folder = new TestFolder();
  const { state, objects, left } = setUp(folder);
  expect(new StageCache(state, objects).load("old")).toBeDefined();
  tidyStages(state, objects, new Set(), 2000);
  expect(left()).toEqual(["old"]);
  const [entry] = objects.store(folder.join("new")).values();
  const stray = objects.path("ab".repeat(32));
  folder.write(`state/cache/objects/${stray.slice(-65)}`, "stray");
  tidyStages(state, objects, new Set(), 10_000);
  expect([entry?.kind, existsSync(stray)]).toEqual(["file", false]);
});
