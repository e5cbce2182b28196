// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import fc from "fast-check";
import { type Directory, type Inode, objectPath } from "../../../src/formats/composefs/model.ts";
import { PlainTree } from "../../../src/formats/composefs/plain.ts";
import { writeComposefs } from "../../../src/formats/composefs/write.ts";
import { treeArbitrary } from "./trees.ts";

const blank = { uid: 0, gid: 0, mtimeNsec: 0, xattrs: new Map() };

/** The same tree as images of the store have it: each inode with one name, and only what such images hold. */
function plain(tree: Directory): Directory {
  const entries = new Map<string, Inode>();
  for (const [name, inode] of tree.entries) {
    const common = { ...blank, mtimeSec: inode.mtimeSec };
    if (inode.kind === "directory") entries.set(name, plain(inode));
    else if (inode.kind === "symlink") entries.set(name, { ...inode, ...common, mode: 0o777, nlink: 1 });
    else if (inode.kind === "inline") {
      const content = inode.content.subarray(0, 64);
      entries.set(name, { ...inode, ...common, mode: inode.mode === 0 ? 0o755 : 0o644, nlink: 1, content });
    } else if (inode.kind === "external" && inode.digest !== undefined) {
      const mode = inode.mode === 0 ? 0o755 : 0o644;
      entries.set(name, { ...inode, ...common, mode, nlink: 1, payload: objectPath(inode.digest) });
    }
  }
  return { ...blank, kind: "directory", mode: 0o755, mtimeSec: tree.mtimeSec, entries };
}

function byPlainTree(root: Directory): Uint8Array {
  const tree = new PlainTree(root.mtimeSec);
  const folders = [root];
  for (const folder of folders) {
    tree.open();
    for (const name of [...folder.entries.keys()].sort()) {
      const inode = folder.entries.get(name);
      if (inode === undefined) continue;
      const executable = inode.mode === 0o755;
      if (inode.kind === "directory") {
        tree.folder(name, inode.mtimeSec);
        folders.push(inode);
      } else if (inode.kind === "symlink") tree.symlink(name, inode.mtimeSec, inode.target);
      else if (inode.kind === "inline") tree.inline(name, inode.mtimeSec, executable, inode.content);
      else if (inode.kind === "external") {
        tree.file(name, inode.mtimeSec, executable, inode.size, Buffer.from(inode.digest ?? []).toString("hex"));
      }
    }
  }
  return tree.write();
}

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
  expect(same(folder([["a", folder([["b", folder([["c", folder(some(900))]])]])]]))).toBe(true);
});

test("PlainTree refuses what no object can be", () => {
  const tree = new PlainTree(0);
  tree.open();
  expect(() => tree.file("a", 0, false, 2 ** 52 + 1, "0".repeat(64))).toThrow("object");
  expect(() => tree.file("a", 0, false, 100, "00")).toThrow("object");
  expect(() => tree.open()).toThrow("further");
});
