// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import fc from "fast-check";
import { readPlain } from "../../../src/formats/composefs/plain-read.ts";
import { parseRef } from "../../../src/metadata/ref.ts";
import { composefsOf } from "../../../src/store/image/composefs.ts";
import { editImage } from "../../../src/store/image/editedimage.ts";
import { type LayerEntry, LayerStack } from "../../../src/store/image/layers.ts";
import { encodeEntry, encodeRecord } from "../../../src/store/image/record.ts";
import { editRecord, RecordLines } from "../../../src/store/image/recordedit.ts";
import { objectSizes } from "../../../src/store/image/stored.ts";
import { filesOf } from "../../../src/store/image/tree.ts";
import { viewOf } from "../../../src/store/image/view.ts";

const image = { ref: parseRef("app/org.example.App/x86_64/stable"), name: "image" };
const file = (path: string, fill: number, mtime = 1): LayerEntry => ({
  kind: "file",
  path: path.split("/"),
  mtime,
  executable: fill % 2 === 1,
  content:
    fill < 3
      ? { size: fill, digest: "", inline: new Uint8Array(fill).fill(65) }
      : { size: 100 + fill, digest: fill.toString(16).padStart(2, "0").repeat(32), inline: undefined },
});
const dir = (path: string, mtime = 1): LayerEntry => ({ kind: "folder", path: path.split("/"), mtime });
const link = (path: string, target: string): LayerEntry => ({
  kind: "symlink",
  path: path.split("/"),
  mtime: 1,
  target,
});
const hard = (path: string, target: string): LayerEntry => ({
  kind: "hardlink",
  path: path.split("/"),
  target: target.split("/"),
});

function viewAfter(entries: readonly LayerEntry[]) {
  const stack = new LayerStack();
  stack.beginLayer();
  for (const entry of entries) stack.add(entry);
  return viewOf(stack.root, image.ref.kind, image.name);
}

/** The runs of lines that two records have in common, in the order of the second one. */
function runsTo(from: readonly LayerEntry[], to: readonly LayerEntry[]) {
  const lines = from.map(encodeEntry);
  let next = 0;
  const fresh: LayerEntry[] = [];
  const runs = to.map((entry) => {
    const first = lines.indexOf(encodeEntry(entry), next);
    if (first >= 0) next = first + 1;
    else fresh.push(entry);
    return { first, count: 1 };
  });
  return { runs, fresh };
}

function edited(from: readonly LayerEntry[], to: readonly LayerEntry[]) {
  const { runs, fresh } = runsTo(from, to);
  const record = editRecord(new RecordLines(Buffer.from(encodeRecord(from.map(encodeEntry)))), runs, fresh);
  return record && { record, made: editImage(readPlain(composefsOf(viewAfter(from).root)), record, image) };
}

/** Whether what is made is what the whole record makes. */
function isRight(from: readonly LayerEntry[], to: readonly LayerEntry[]): boolean {
  const result = edited(from, to);
  const made = result?.made;
  if (result === undefined || made === undefined) return false;
  const view = viewAfter(to);
  const whole = composefsOf(view.root);
  const sizes = [...objectSizes(view)].map(([digest, size]) => `${digest} ${size}`).sort();
  const files = [...filesOf(view.root)];
  expect(Buffer.from(made.objects.encode()).toString().trim().split("\n").filter(Boolean).sort()).toEqual(sizes);
  expect([...objectSizes(view).keys()].every((digest) => made.objects.has(digest))).toBe(true);
  expect(made.objects.has("f".repeat(64))).toBe(false);
  expect([made.files, made.installedSize]).toEqual([
    files.length,
    files.reduce((sum, { content }) => sum + content.size, 0),
  ]);
  expect(made.view.exported).toEqual(view.exported);
  expect(made.view.metadata).toEqual(view.metadata);
  expect(Buffer.from(result.record.bytes).toString()).toBe(encodeRecord(to.map(encodeEntry)));
  expect(Buffer.from(composefsOf(made.view.root)).equals(whole)).toBe(true);
  return Buffer.from(made.composefs).equals(whole);
}

const names = ["a", "b-", "c", "ä"];
const places = [...names, ...names.flatMap((top) => names.map((name) => `${top}/${name}`))];
const treeArbitrary = fc
  .uniqueArray(fc.tuple(fc.constantFrom(...places), fc.nat(9), fc.constantFrom("f", "s", "h"), fc.nat(1)), {
    selector: ([path]) => path,
    maxLength: 12,
  })
  .map((chosen) => {
    const tops = new Set(chosen.flatMap(([path]) => (path.includes("/") ? [path.slice(0, path.indexOf("/"))] : [])));
    const sound = chosen.filter(([path]) => !tops.has(path)).sort(([left], [right]) => (left < right ? -1 : 1));
    const [first] = sound.flatMap(([path, , kind]) => (kind === "f" ? [path] : []));
    const entries = sound.map(([path, fill, kind, mtime]) => {
      const at = `files/${path}`;
      return kind === "s" ? link(at, `../${fill}`) : file(at, fill, mtime);
    });
    const links = sound.flatMap(([path, , kind]) =>
      kind === "h" && first !== undefined && path !== first
        ? [hard(`files/h-${path.replace("/", "-")}`, `files/${first}`)]
        : [],
    );
    const exported = sound.flatMap(([path, fill]) => (path === "a" ? [file("export/share/a", fill)] : []));
    return [
      ...exported,
      dir("files"),
      ...[...tops].sort().map((top) => dir(`files/${top}`, top.length)),
      ...entries,
      ...links,
      file("metadata", 7),
    ];
  });

test("editImage() makes what the whole record makes", () => {
  fc.assert(fc.property(treeArbitrary, treeArbitrary, isRight), { numRuns: 300 });
});

test("editImage() changes the other names of a file that changed", () => {
  const tree = (fill: number) => [dir("files"), file("files/a", fill), hard("files/b", "files/a"), file("metadata", 7)];
  expect(isRight(tree(5), tree(6))).toBe(true);
  expect(isRight([dir("files"), file("files/a", 5), file("metadata", 7)], tree(5))).toBe(true);
});

test("editImage() leaves to others what it cannot do", () => {
  const tree = (...more: LayerEntry[]) => [dir("files"), file("files/a", 5), ...more, file("metadata", 7)];
  expect(edited(tree(), tree(file("files/.wh.a", 0)))?.made).toBeUndefined();
  expect(edited(tree(), [...tree(), dir("app")])?.made).toBeDefined();
  expect(edited(tree(dir("files/d"), file("files/d/x", 5)), tree(file("files/d/x", 5)))?.made).toBeUndefined();
  expect(() => edited(tree(), [dir("files"), file("files/a", 5)])).toThrow("nothing to install");
});

test("editRecord() refuses runs that are not of the record, and lines that are damaged", () => {
  const bytes = Buffer.from(encodeRecord([dir("files"), file("files/a", 5), file("files/b", 6)].map(encodeEntry)));
  const record = new RecordLines(bytes);
  const fresh = [link("files/c", "a")];
  const run = (first: number, count: number) => ({ first, count });
  expect(editRecord(record, [run(0, 3), run(-1, 1)], fresh)).toBeDefined();
  expect(editRecord(record, [run(0, 4)], [])).toBeUndefined();
  expect(editRecord(record, [run(1, 1), run(0, 1)], [])).toBeUndefined();
  expect(editRecord(record, [run(0, 1), run(0, 1)], [])).toBeUndefined();
  expect(editRecord(record, [run(0, 3)], fresh)).toBeUndefined();
  expect(editRecord(record, [run(0, 3), run(-1, 2)], fresh)).toBeUndefined();
  const damaged = new RecordLines(Buffer.concat([bytes, Buffer.from("[damaged\n")]));
  expect(editRecord(damaged, [run(0, 3)], [])).toBeUndefined();
});
