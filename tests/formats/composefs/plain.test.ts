// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import fc from "fast-check";
import { type Directory, type Inode, objectPath } from "../../../src/formats/composefs/model.ts";
import { PlainTree } from "../../../src/formats/composefs/plain.ts";
import { writeComposefs } from "../../../src/formats/composefs/write.ts";
import { blank, byPlainTree, plain } from "./plaintrees.ts";
import { treeArbitrary } from "./trees.ts";

const same = (root: Directory): boolean =>
  Buffer.compare(byPlainTree(root), writeComposefs(root, { version: 1 })) === 0;

test("PlainTree makes the image that writeComposefs() makes of the same tree", () => {
  fc.assert(fc.property(treeArbitrary, (tree) => same(plain(tree))));
});

test("PlainTree makes it of no files, of folders with several blocks, and of contents that many files share", () => {
  const folder = (entries: readonly (readonly [string, Inode])[]): Directory => ({
    ...blank,
    kind: "directory",
    mode: 0o755,
    mtimeSec: 5,
    entries: new Map(entries),
  });
  const object = (fill: number): Inode => {
    const digest = new Uint8Array(32).fill(fill);
    const payload = objectPath(digest);
    return { ...blank, kind: "external", mode: 0o644, mtimeSec: 5, nlink: 1, size: 1000 + fill, digest, payload };
  };
  const some = (length: number) =>
    Array.from({ length }, (_, at) => [`${at % 3 === 0 ? "-" : "n"}${at}`, object(at % 200)] as const);
  expect(same(folder([]))).toBe(true);
  expect(same(folder([["07", object(1)]]))).toBe(true);
  expect(same(folder([["usr", folder(some(900))], ...some(40)]))).toBe(true);
  const folders = Array.from({ length: 2000 }, (_, at) => [`f${at}`, folder(some(at % 3))] as const);
  expect(same(folder([["usr", folder(folders)]]))).toBe(true);
  expect(same(folder([["a", folder([["b", folder([["c", folder(some(900))]])]])]]))).toBe(true);
});

test("PlainTree refuses what no object can be", () => {
  const tree = new PlainTree(0);
  const file = { kind: "file", mtime: 0, executable: false, size: 100, digest: "0".repeat(64) } as const;
  tree.open();
  expect(() => tree.add("a", { ...file, size: 2 ** 52 + 1 })).toThrow("object");
  expect(() => tree.add("a", { ...file, digest: "00" })).toThrow("object");
  expect(() => tree.open()).toThrow("further");
});
