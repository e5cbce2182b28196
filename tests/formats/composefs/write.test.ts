// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseDump } from "../../../src/formats/composefs/dump-parse.ts";
import { type Directory, type InlineFile, inlineThreshold, objectPath } from "../../../src/formats/composefs/model.ts";
import { writeComposefs } from "../../../src/formats/composefs/write.ts";
import { fsVerityDigest } from "../../../src/formats/fsverity/digest.ts";
import { imageCases } from "./cases.ts";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const blank = { uid: 0, gid: 0, mtimeSec: 0, mtimeNsec: 0, xattrs: new Map() };
const emptyTree = (): Directory => ({ ...blank, kind: "directory", mode: 0o755, entries: new Map() });
const file: InlineFile = { ...blank, kind: "inline", mode: 0o644, nlink: 1, content: new Uint8Array() };

describe("writeComposefs()", () => {
  for (const [version, digest] of [
    [0, "8f589e8f57ecb88823736b0d857ddca1e1068a23e264fad164b28f7038eb3682"],
    [1, "14a26c957c84f6eb774b91205476adc13196c7c33b9dd97d08d43725ecb90b63"],
  ] as const) {
    test(`writeComposefs() gives the published digest of the empty tree in version ${version}`, () => {
      expect(hex(fsVerityDigest(writeComposefs(emptyTree(), { version })))).toBe(digest);
    });
  }

  for (const { name, dump, digest } of imageCases) {
    test(`writeComposefs() gives the digest of mkcomposefs for ${name}`, () => {
      expect(hex(fsVerityDigest(writeComposefs(parseDump(dump), { version: 1 })))).toBe(digest);
    });
  }

  test("writeComposefs() gives version 1 to an image with a whiteout", () => {
    const root = emptyTree();
    root.entries.set("w", { ...blank, kind: "character", mode: 0, nlink: 1, rdev: 0 });
    const image = writeComposefs(root, { version: 0 });
    expect(image).toEqual(writeComposefs(root, { version: 1 }));
  });

  test("writeComposefs() leaves the tree as it was", () => {
    const [first] = imageCases;
    const root = parseDump(first?.dump ?? "");
    const before = structuredClone(root);
    writeComposefs(root, { version: 1 });
    expect(root).toEqual(before);
  });

  test("writeComposefs() does not depend on the order in which entries were added", () => {
    const names = ["b", "a", "z", "00", "-"];
    const make = (order: readonly string[]) => {
      const root = emptyTree();
      for (const name of order) root.entries.set(name, file);
      return writeComposefs(root, { version: 1 });
    };
    expect(make(names)).toEqual(make(names.toReversed()));
  });

  const unfit: readonly (readonly [string, (root: Directory) => void])[] = [
    ["a name that is a path", (root) => root.entries.set("a/b", file)],
    ["the name ..", (root) => root.entries.set("..", file)],
    ["a name of 256 bytes", (root) => root.entries.set("n".repeat(256), file)],
    ["a folder inside itself", (root) => root.entries.set("loop", root)],
    ["an empty link", (root) => root.entries.set("l", { ...blank, kind: "symlink", mode: 0, nlink: 1, target: "" })],
    ["content above 5000 bytes", (root) => root.entries.set("f", { ...file, content: new Uint8Array(5001) })],
    ["a mode with a type", (root) => root.entries.set("f", { ...file, mode: 0o100644 })],
    [
      "an object above 4 PiB",
      (root) =>
        root.entries.set("f", {
          ...file,
          kind: "external",
          size: 2 ** 52 + 1,
          digest: undefined,
          payload: undefined,
        }),
    ],
    ["no link", (root) => root.entries.set("f", { ...file, nlink: 0 })],
    ["a fractional time", (root) => root.entries.set("f", { ...file, mtimeSec: 0.5 })],
    [
      "too many xattrs",
      (root) => root.entries.set("f", { ...file, xattrs: new Map([["user.x", "v".repeat(32_750)]]) }),
    ],
  ];
  for (const [name, change] of unfit) {
    test(`writeComposefs() refuses ${name}`, () => {
      const root = emptyTree();
      change(root);
      expect(() => writeComposefs(root, { version: 1 })).toThrow(
        expect.objectContaining({ code: "COMPOSEFS_INVALID" }),
      );
    });
  }

  test("writeComposefs() refuses folders that are nested too deep", () => {
    const root = emptyTree();
    let folder = root;
    for (let depth = 0; depth < 300; depth++) {
      const next = emptyTree();
      folder.entries.set("d", next);
      folder = next;
    }
    expect(() => writeComposefs(root, { version: 1 })).toThrow(expect.objectContaining({ code: "LIMIT_EXCEEDED" }));
  });
});

describe("the tools' conventions", () => {
  test("inlineThreshold is that of mkcomposefs", () => {
    expect(inlineThreshold).toBe(64);
  });

  test("objectPath() puts the first byte of the digest before the slash", () => {
    expect(objectPath(Buffer.from("ab".repeat(32), "hex"))).toBe(`ab/${"ab".repeat(31)}`);
  });
});

describe("beside fsck.erofs", () => {
  let folder = "";
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "dowel-composefs-"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  for (const { name, dump } of imageCases) {
    test(`fsck.erofs finds no error in ${name}`, () => {
      const path = join(folder, "image");
      writeFileSync(path, writeComposefs(parseDump(dump), { version: 1 }));
      const { status, stdout, stderr } = spawnSync("fsck.erofs", [path], { encoding: "utf8" });
      expect({ status, output: stdout + stderr }).toEqual({ status: 0, output: "" });
    });
  }
});
