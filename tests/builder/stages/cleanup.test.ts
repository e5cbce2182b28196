// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { cleanupMatches, removeMatches } from "../../../src/builder/stages/cleanup.ts";
import type { Tree } from "../../../src/builder/tree/types.ts";
import { textContent } from "../../../src/builder/tree/types.ts";

const paths = ["include", "include/a.h", "lib", "lib/libx.la", "lib/libx.so", "share/doc/include", "bin/x"];

describe("cleanupMatches()", () => {
  test.each([
    ["/include", ["include", "include/a.h"]],
    ["include", ["include", "share/doc/include"]],
    ["*.la", ["lib/libx.la"]],
    ["/lib/*.so", ["lib/libx.so"]],
    ["/*/a.h", ["include/a.h"]],
    ["lib??.so", []],
    ["lib?.s*", ["lib/libx.so"]],
    ["/inc", []],
    ["[a-z]*", []],
  ])("takes what %p means", (pattern, expected) => {
    const found = cleanupMatches(paths, [pattern]).filter((path) => !path.endsWith(".debug"));
    expect(found.toSorted()).toEqual(expected.toSorted());
  });

  test("takes the debug file of a program with it", () => {
    expect(cleanupMatches(paths, ["/bin"])).toEqual(["bin/x", "lib/debug/bin/x.debug"]);
  });
});

describe("removeMatches()", () => {
  function tree(): Tree {
    return new Map([
      ["lib", { kind: "directory" }],
      ["lib/a", { kind: "file", executable: false, content: textContent("a") }],
      ["lib/b", { kind: "hardlink", to: "lib/a" }],
      ["lib/c", { kind: "hardlink", to: "lib/a" }],
    ]);
  }

  test("leaves a folder that still holds something", () => {
    const files = tree();
    removeMatches(files, ["lib", "lib/b"]);
    expect([...files.keys()]).toEqual(["lib", "lib/a", "lib/c"]);
  });

  test("removes a folder when everything in it goes", () => {
    const files = tree();
    removeMatches(files, ["lib", "lib/a", "lib/b", "lib/c"]);
    expect(files.size).toBe(0);
  });

  test("keeps the content of a file that has other names", () => {
    const files = tree();
    removeMatches(files, ["lib/a"]);
    expect(files.get("lib/b")).toMatchObject({ kind: "file" });
    expect(files.get("lib/c")).toEqual({ kind: "hardlink", to: "lib/b" });
  });
});
