// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Directory, Inode } from "../../../src/formats/composefs/model.ts";
import { editPlain, findPlain, PlainEdits } from "../../../src/formats/composefs/plain-edit.ts";
import { layOutPlain } from "../../../src/formats/composefs/plain-layout.ts";
import { readPlain } from "../../../src/formats/composefs/plain-read.ts";
import { type PlainNode, plainKinds } from "../../../src/formats/composefs/plain-table.ts";
import { writePlain } from "../../../src/formats/composefs/plain-write.ts";
import { blank, byPlainTree, nodeOf, plain } from "./plaintrees.ts";
import { treeArbitrary } from "./trees.ts";

const entriesOf = (inode: Inode | undefined) =>
  inode?.kind === "directory" ? inode.entries : new Map<string, Inode>();

/** Notes what makes one tree of another. */
function note(edits: PlainEdits, path: readonly string[], from: Inode | undefined, to: Inode | undefined): void {
  const isSame = from && to && JSON.stringify(nodeOf(from)) === JSON.stringify(nodeOf(to));
  if (from !== undefined && isSame !== true) edits.remove(path);
  if (to !== undefined && isSame !== true) edits.put(path, nodeOf(to));
  const [before, after] = [entriesOf(from), entriesOf(to)];
  for (const name of new Set([...before.keys(), ...after.keys()])) {
    note(edits, [...path, name], before.get(name), after.get(name));
  }
}

function edited(from: Directory, to: Directory): Uint8Array | undefined {
  const edits = new PlainEdits();
  for (const name of new Set([...from.entries.keys(), ...to.entries.keys()])) {
    note(edits, [name], from.entries.get(name), to.entries.get(name));
  }
  const table = editPlain(readPlain(byPlainTree(from)), edits);
  return table && writePlain(layOutPlain(table));
}

/** What the store shows: one folder at the top. */
const shown = (tree: Directory): Directory => ({
  ...blank,
  kind: "directory",
  mode: 0o755,
  mtimeSec: 0,
  entries: new Map([["usr", tree]]),
});
const folder = (entries: Readonly<Record<string, Inode>>): Directory => ({
  ...blank,
  kind: "directory",
  mode: 0o755,
  mtimeSec: 5,
  entries: new Map(Object.entries(entries)),
});
const link: Inode = { ...blank, kind: "symlink", mode: 0o777, mtimeSec: 1, nlink: 1, target: "x" };

test("readPlain() reads what a plain tree's image says, so that the same image is written of it", () => {
  fc.assert(
    fc.property(treeArbitrary, (tree) => {
      const image = byPlainTree(plain(tree));
      return Buffer.compare(writePlain(layOutPlain(readPlain(image))), image) === 0;
    }),
  );
});

test("editPlain() makes of one tree the image of any other", () => {
  fc.assert(
    fc.property(treeArbitrary, treeArbitrary, (from, to) => {
      const [before, after] = [shown(plain(from)), shown(plain(to))];
      return Buffer.compare(edited(before, after) ?? new Uint8Array(0), byPlainTree(after)) === 0;
    }),
  );
});

test("editPlain() makes thousands of changes in large folders", () => {
  const numbered = (from: number, step: number) =>
    folder(
      Object.fromEntries(
        Array.from({ length: 3000 }, (_, at) => [`n${from + at * step}`, at % 7 === 0 ? folder({ link }) : link]),
      ),
    );
  const [before, after] = [shown(numbered(0, 1)), shown(numbered(500, 2))];
  expect(Buffer.from(edited(before, after) ?? []).equals(byPlainTree(after))).toBe(true);
});

test("editPlain() refuses edits that do not fit", () => {
  const image = byPlainTree(shown(folder({ a: link, b: folder({ c: link }) })));
  const refuses = (note: (edits: PlainEdits) => void): void => {
    const edits = new PlainEdits();
    note(edits);
    expect(editPlain(readPlain(image), edits)).toBeUndefined();
  };
  const put: PlainNode = { kind: "symlink", mtime: 0, target: "y" };
  refuses((edits) => edits.put(["usr", "a"], put));
  refuses((edits) => edits.put(["usr", "a", "below"], put));
  refuses((edits) => edits.remove(["usr", "none"]));
  refuses((edits) => edits.remove(["usr", "none", "below"]));
  refuses((edits) => edits.remove(["usr", "b"]));
  refuses((edits) => {
    edits.remove(["usr", "b"]);
    edits.put(["usr", "b"], put);
  });
  refuses((edits) => {
    edits.remove(["usr", "a"]);
    edits.put(["usr", "a"], put);
    edits.put(["usr", "a", "below"], put);
  });
  refuses((edits) => {
    edits.remove(["usr", "b"]);
    edits.remove(["usr", "b", "c"]);
    edits.put(["usr", "b", "d"], put);
  });
});

test("editPlain() makes folders that nobody puts, as layers do", () => {
  const edits = new PlainEdits();
  edits.put(["usr", "new", "below"], { kind: "symlink", mtime: 1, target: "x" });
  const table = editPlain(readPlain(byPlainTree(shown(folder({})))), edits);
  const after = shown(folder({ new: { ...folder({ below: link }), mtimeSec: 0 } }));
  expect(Buffer.from(table ? writePlain(layOutPlain(table)) : []).equals(byPlainTree(after))).toBe(true);
});

test("findPlain() goes through folders only", () => {
  const table = readPlain(byPlainTree(shown(folder({ a: link, b: folder({ c: link }) }))));
  const kindAt = (...path: string[]) => {
    const inode = findPlain(table, path);
    return inode === undefined ? undefined : table.kinds[inode];
  };
  expect(kindAt("usr", "b")).toBe(plainKinds.folder);
  expect(kindAt("usr", "b", "c")).toBe(plainKinds.symlink);
  expect(kindAt("usr", "a", "c")).toBeUndefined();
  expect(kindAt("usr", "b", "d")).toBeUndefined();
});

test("readPlain() ends with an error or a tree, whatever bytes of an image are others", () => {
  const image = byPlainTree(
    shown(folder({ a: link, b: folder({ c: link, d: { ...link, target: "z".repeat(4090) } }) })),
  );
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(image.length - 1), fc.nat(255)), { maxLength: 6 }),
      fc.nat(image.length),
      (bytes, cut) => {
        const hostile = new Uint8Array(image);
        for (const [at, byte] of bytes) hostile[at] = byte;
        const given = cut % 3 === 0 ? hostile.subarray(0, cut) : hostile;
        try {
          expect(readPlain(given).count).toBeLessThan(image.length);
        } catch (error) {
          expect(error).toHaveProperty("code", "COMPOSEFS_INVALID");
        }
      },
    ),
    { numRuns: 2000 },
  );
});
