// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { mkdirSync, symlinkSync } from "node:fs";
import { type StageEntry, StageObjects } from "../../../src/builder/stages/objects.ts";
import type { BuildParts, Part } from "../../../src/builder/stages/parts.ts";
import { platformTree } from "../../../src/builder/stages/start.ts";
import { StateFolder } from "../../../src/builder/state.ts";
import { parseMetadata } from "../../../src/metadata/metadata.ts";
import { TestFolder } from "../support.ts";

const file = (digest: string): StageEntry => ({ kind: "file", executable: false, size: 1, digest });
const directory: StageEntry = { kind: "directory" };

/** What becomes of a platform with `a/b`, `empty/`, `link -> a` and `old` by a change from one tree to another. */
function derive(
  before: Record<string, StageEntry>,
  after: Record<string, StageEntry>,
  leftOut: readonly string[] = [],
) {
  using folder = new TestFolder();
  folder.write("platform/usr/a/b", "b");
  folder.write("platform/usr/old", "old");
  symlinkSync("a", folder.join("platform/usr/link"));
  mkdirSync(folder.join("platform/usr/empty"));
  const platform: Part = {
    ref: { kind: "runtime", id: "org.example.P", arch: "x86_64", branch: "1" },
    commit: "1",
    lower: folder.join("platform"),
    metadata: parseMetadata("[Runtime]\nname=org.example.P\n"),
  };
  const parts: BuildParts = {
    base: undefined,
    baseExtensions: [],
    platform,
    platformExtensions: [],
    extended: undefined,
    extensions: { app: [], runtime: [] },
  };
  const change = {
    before: new Map(Object.entries(before)),
    after: new Map(Object.entries(after)),
    leftOut: new Set(leftOut),
  };
  const tree = platformTree(parts, change, new StageObjects(new StateFolder(folder.join("state"))));
  return [...tree].map(([path, entry]) => `${path} ${entry.kind}`);
}

test("platformTree() takes over what was changed, added and removed, but for what is left out", () => {
  const before = { old: file("1"), sdk: file("2"), same: file("3") };
  const after = { sdk: file("4"), same: file("3"), new: file("5"), out: file("6") };
  expect(derive(before, after, ["out"])).toEqual([
    "a directory",
    "a/b file",
    "empty directory",
    "link symlink",
    "new file",
    "sdk file",
  ]);
});

test("platformTree() gives a tree that holds together where the platform has something of another kind", () => {
  const before = { link: directory };
  expect(derive(before, { a: { kind: "symlink", target: "x" }, link: directory, "link/in": file("1") })).toEqual([
    "a symlink",
    "empty directory",
    "link directory",
    "link/in file",
    "old file",
  ]);
});
