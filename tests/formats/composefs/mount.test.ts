// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { writeComposefs } from "../../../src/formats/composefs/write.ts";
import { mountComposefs, unmount } from "../../../src/sys/mounts.ts";
import { readXattrs, scanTree } from "./scan.ts";
import { makeSourceTree } from "./source-tree.ts";

describe("the kernel, given an image of writeComposefs()", () => {
  let folder = "";
  let source = "";
  let mounted = "";

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "dowel-composefs-mount-"));
    source = join(folder, "source");
    mounted = join(folder, "mounted");
    const objectsFolder = join(folder, "objects");
    for (const path of [source, mounted, objectsFolder]) mkdirSync(path);
    makeSourceTree(source);
    const { root, objects } = scanTree(source);
    for (const [path, content] of objects) {
      mkdirSync(join(objectsFolder, dirname(path)), { recursive: true });
      writeFileSync(join(objectsFolder, path), content);
    }
    writeFileSync(join(folder, "image"), writeComposefs(root, { version: 1 }));
    mountComposefs({ image: join(folder, "image"), objects: objectsFolder, target: mounted, verity: false });
  });

  afterAll(() => {
    unmount(mounted);
    rmSync(folder, { recursive: true });
  });

  /** Type, mode, owner, time, links, size, target of every file; sizes and links of folders are the file system's own. */
  function list(path: string): string[] {
    const format = [
      "-type",
      "d",
      "-printf",
      "%P\\t%y %m %U %G %T@\\0",
      "-o",
      "-printf",
      "%P\\t%y %m %U %G %T@ %n %s %l\\0",
    ];
    const output = execFileSync("find", [path, ...format], { encoding: "latin1", maxBuffer: 1 << 26 });
    return output.split("\0").sort();
  }

  test("shows every file with the metadata of its source", () => {
    const expected = list(source);
    expect(expected.length).toBeGreaterThan(400);
    expect(list(mounted)).toEqual(expected);
  });

  test("shows the content of every file", () => {
    // Links that lead nowhere, pipes and devices are compared by the list above.
    const regular = (path: string) =>
      execFileSync("sh", ["-c", "find . -type f -print0 | sort -z | xargs -0 sha256sum"], {
        cwd: path,
        encoding: "latin1",
      });
    expect(regular(mounted)).toBe(regular(source));
  });

  test("shows every xattr and no other", () => {
    const below = (path: string) =>
      new Map([...readXattrs(path)].map(([name, xattrs]) => [name.slice(path.length), Object.fromEntries(xattrs)]));
    const expected = below(source);
    expect(expected.size).toBeGreaterThan(5);
    expect(below(mounted)).toEqual(expected);
  });

  test("shows hard links as one inode", () => {
    const inodes = execFileSync("stat", ["-c", "%i", "size-65", "hard-link", "folder/hard-link"], { cwd: mounted });
    expect(new Set(inodes.toString().trim().split("\n")).size).toBe(1);
  });
});
