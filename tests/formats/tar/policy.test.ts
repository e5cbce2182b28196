// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { isDowelError } from "../../../src/base/errors.ts";
import { limits } from "../../../src/base/limits.ts";
import { checkEntry } from "../../../src/formats/tar/policy.ts";
import { entry } from "./support.ts";

describe("checkEntry()", () => {
  test("gives the names of a path below the root", () => {
    for (const path of ["usr/bin/sh", "./usr/bin/sh", "usr//bin/./sh", "usr/bin/sh/"]) {
      expect(checkEntry(entry({ path }))).toEqual({ names: ["usr", "bin", "sh"], linkNames: undefined });
    }
    expect(checkEntry(entry({ path: "./", type: "directory" })).names).toEqual([]);
    expect(checkEntry(entry({ path: "a/.wh.b" })).names).toEqual(["a", ".wh.b"]);
    expect(checkEntry(entry({ path: "...", mode: 0o4755 })).names).toEqual(["..."]);
  });

  test("lets symlinks point anywhere and hard links only below the root", () => {
    for (const linkName of ["/etc/passwd", "../../x", "a"]) {
      expect(checkEntry(entry({ path: "l", type: "symlink", linkName })).linkNames).toBeUndefined();
    }
    expect(checkEntry(entry({ path: "l", type: "hardlink", linkName: "./a/b" })).linkNames).toEqual(["a", "b"]);
  });

  test.each([
    ["..", "file", ""],
    ["a/../b", "file", ""],
    ["/etc/passwd", "file", ""],
    ["./../a", "directory", ""],
    ["a\0b", "file", ""],
    ["", "file", ""],
    [".", "file", ""],
    ["x".repeat(limits.nameBytes + 1), "file", ""],
    ["x/".repeat(limits.pathDepth + 1), "directory", ""],
    ["l", "hardlink", "/etc/passwd"],
    ["l", "hardlink", "../../etc/passwd"],
    ["l", "hardlink", "a/../../b"],
    ["l", "hardlink", ""],
    ["l", "hardlink", "./"],
    ["l", "symlink", ""],
    ["l", "symlink", "a\0b"],
    ["l", "symlink", "x".repeat(limits.symlinkTargetBytes + 1)],
    ["d", "character", ""],
    ["d", "block", ""],
    ["d", "fifo", ""],
  ] as const)("refuses %p of type %s with the target %p, and names it", (path, type, linkName) => {
    try {
      checkEntry(entry({ path, type, linkName }));
    } catch (error) {
      expect(isDowelError(error, "TAR_UNSAFE")).toBe(true);
      expect(String(error)).toContain(path);
      return;
    }
    throw new Error("the entry was let pass");
  });
});
