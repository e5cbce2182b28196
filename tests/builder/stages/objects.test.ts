// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { linkSync, lstatSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { changedPaths, StageCache, stageKey } from "../../../src/builder/stages/cache.ts";
import { StageObjects } from "../../../src/builder/stages/objects.ts";
import { StateFolder } from "../../../src/builder/state.ts";
import { TestFolder } from "../support.ts";

function setUp(folder: TestFolder) {
  folder.write("app/bin/run", "#!/bin/sh\n", 0o755);
  folder.write("app/share/a", "hello");
  linkSync(folder.join("app/share/a"), folder.join("app/share/b"));
  symlinkSync("a", folder.join("app/share/c"));
  const state = new StateFolder(folder.join("state"));
  return { state, objects: new StageObjects(state) };
}

describe("StageObjects", () => {
  test("restores what it stored: contents, links, hard links, who may be executed", () => {
    using folder = new TestFolder();
    const { objects } = setUp(folder);
    const tree = objects.store(folder.join("app"));
    mkdirSync(folder.join("again"));
    objects.restore(tree, folder.join("again"));
    expect(objects.store(folder.join("again"))).toEqual(tree);
    expect(statSync(folder.join("again/bin/run")).mode & 0o777).toBe(0o755);
    expect(lstatSync(folder.join("again/share/a")).ino).toBe(lstatSync(folder.join("again/share/b")).ino);
  });

  test("is not changed by writes to what it restored", () => {
    using folder = new TestFolder();
    const { objects } = setUp(folder);
    const tree = objects.store(folder.join("app"));
    mkdirSync(folder.join("again"));
    objects.restore(tree, folder.join("again"));
    writeFileSync(folder.join("again/share/a"), "changed");
    mkdirSync(folder.join("third"));
    objects.restore(tree, folder.join("third"));
    expect(readFileSync(folder.join("third/share/a"), "utf8")).toBe("hello");
  });

  test("sees a change that keeps size and time of a file", () => {
    using folder = new TestFolder();
    const { objects } = setUp(folder);
    const before = objects.store(folder.join("app"));
    const reference = folder.write("reference", "");
    execFileSync("touch", ["-r", folder.join("app/bin/run"), reference]);
    writeFileSync(folder.join("app/bin/run"), "#!/bin/ls\n");
    execFileSync("touch", ["-r", reference, folder.join("app/bin/run")]);
    expect(changedPaths(before, objects.store(folder.join("app")))).toEqual(["bin/run"]);
  });
});

describe("StageCache", () => {
  test("gives back what was saved under a key, and nothing for another", () => {
    using folder = new TestFolder();
    const { state, objects } = setUp(folder);
    const cache = new StageCache(state, objects);
    const tree = objects.store(folder.join("app"));
    const key = stageKey("", { a: 1 });
    cache.save(key, { tree, changed: ["bin"] });
    expect(cache.load(key)).toEqual({ tree, changed: ["bin"] });
    expect(cache.load(stageKey("", { a: 2 }))).toBeUndefined();
    expect(cache.load(stageKey(key, { a: 1 }))).toBeUndefined();
  });

  test("counts a stage as gone when one of its contents is missing or the record is cut short", () => {
    using folder = new TestFolder();
    const { state, objects } = setUp(folder);
    const cache = new StageCache(state, objects);
    const key = stageKey("", {});
    cache.save(key, { tree: objects.store(folder.join("app")), changed: [] });
    const record = folder.join("state/cache/stages", `${key}.json`);
    const text = readFileSync(record, "utf8");
    writeFileSync(record, text.slice(0, 40));
    expect(cache.load(key)).toBeUndefined();
    writeFileSync(record, text);
    expect(cache.load(key)).toBeDefined();
    rmSync(folder.join("state/cache/objects"), { recursive: true });
    expect(cache.load(key)).toBeUndefined();
  });
});
