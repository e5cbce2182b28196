// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { limits } from "../../../src/base/limits.ts";
import { readAnnotations } from "../../../src/formats/zstd-chunked/annotations.ts";
import { type EntryEdit, makeEntryDelta, readEntryDeltas } from "../../../src/formats/zstd-chunked/entry-delta.ts";
import { openToc } from "../../../src/formats/zstd-chunked/open.ts";
import type { TocEntry } from "../../../src/formats/zstd-chunked/toc.ts";
import { file, noise, writeLayer } from "./support.ts";

/** Names that do not pack well, so that deltas are worth their bytes; some files have many chunks. */
const names = Array.from({ length: 60 }, (_, at) => `usr/${Buffer.from(noise(60, at + 1)).toString("hex")}`);

async function table(versions: readonly number[]) {
  const files = versions.flatMap((version, at) =>
    version === 0 ? [] : [file(names[at] ?? "", noise(at % 9 === 0 ? 300_000 : 50 + at, at + 100 * version))],
  );
  const { blob, layer } = await writeLayer(files);
  const places = readAnnotations(layer.annotations, blob.length);
  if (places === undefined) throw new Error("no annotations");
  const { offset, size } = places.toc;
  const packed = blob.subarray(offset, offset + size);
  return { places, packed, toc: openToc(packed, places) };
}

type Table = Awaited<ReturnType<typeof table>>;

function deltaOf(from: Table, to: Table): Uint8Array {
  const delta = makeEntryDelta(from.packed, to.packed);
  if (delta === undefined) throw new Error("no delta");
  return delta;
}

function edit(first: Table, ...later: readonly Table[]): EntryEdit {
  const deltas = later.map((to, at) => deltaOf(later[at - 1] ?? first, to));
  return readEntryDeltas(deltas, later.at(-1)?.places.payloadEnd ?? 0);
}

/** What an entry says, but for where its body lies. */
const facts = ({ chunks: _, ...rest }: TocEntry) => rest;

/** Where each entry of the later table comes from. */
const originsOf = ({ runs }: EntryEdit): readonly number[] =>
  runs.flatMap(({ first, count }) => Array.from({ length: count }, (_, at) => (first < 0 ? -1 : first + at)));

/** Checks what an edit makes of a table; answers the new entries that have no place. */
function check(first: Table, last: Table, made: EntryEdit): readonly string[] {
  const origins = originsOf(made);
  const added = made.added.values();
  const entries = origins.map((at) => (at < 0 ? added.next().value : first.toc.entries[at]));
  expect(added.next().done).toBe(true);
  expect(entries.map((entry) => entry && facts(entry))).toEqual(last.toc.entries.map(facts));
  const copied = origins.filter((at) => at >= 0);
  expect(copied).toEqual([...copied].sort((left, right) => left - right));
  const places = new Map(last.toc.entries.map(({ path, chunks }) => [path, chunks]));
  for (const { path, chunks } of made.added) if (chunks.length > 0) expect(chunks).toEqual(places.get(path) ?? []);
  return made.added.flatMap(({ path, chunks }) => (chunks.length > 0 ? [] : [path]));
}

const all = names.map(() => 1);
const invalid = expect.objectContaining({ code: "ZSTD_CHUNKED_INVALID" });

test("readEntryDeltas() reads only what is new, over one delta or two", async () => {
  const first = await table(all);
  const second = await table(all.map((one, at) => (at === 9 || at === 30 ? 2 : at === 40 ? 0 : one)));
  const third = await table(all.map((one, at) => (at === 9 ? 3 : at === 30 ? 2 : at === 12 ? 0 : one)));
  const once = edit(first, second);
  expect(once.added.map(({ path }) => path)).toEqual([9, 30].map((at) => names[at] ?? ""));
  expect(once.runs).toHaveLength(6);
  expect(check(first, second, once)).toEqual([]);
  const twice = edit(first, second, third);
  // 40 is back as it was, which the versions between do not tell
  expect(twice.added.map(({ path }) => path)).toEqual([9, 30, 40].map((at) => names[at] ?? ""));
  expect(check(first, third, twice)).toEqual([names[30] ?? ""]);
  expect(edit(first, first)).toEqual({ runs: [{ first: 0, count: 60 }], added: [] });
  expect(deltaOf(first, second).length).toBeLessThan(second.packed.length / 4);
});

test("readEntryDeltas() makes the entries of any table of those of any other, over two others as well", async () => {
  const tree = fc.array(fc.constantFrom(0, 1, 1, 1, 1, 1, 2), { minLength: 60, maxLength: 60 });
  const property = fc.asyncProperty(tree, tree, tree, async (...trees) => {
    const [first, middle, last] = [await table(trees[0]), await table(trees[1]), await table(trees[2])];
    expect(check(first, middle, edit(first, middle))).toEqual([]);
    expect(check(first, last, edit(first, last))).toEqual([]);
    check(first, last, edit(first, middle, last));
    check(first, first, edit(first, middle, last, first));
  });
  await fc.assert(property, { numRuns: 8 });
});

test("makeEntryDelta() keeps the order of entries, as many as can stay", async () => {
  const { blob, layer } = await writeLayer([...names].reverse().map((name) => file(name, noise(50))));
  const places = readAnnotations(layer.annotations, blob.length);
  if (places === undefined) throw new Error("no annotations");
  const { offset, size } = places.toc;
  const reversed = { places, packed: blob.subarray(offset, offset + size) };
  const first = await table(all);
  const made = readEntryDeltas([makeEntryDelta(first.packed, reversed.packed) ?? noise(0)], places.payloadEnd);
  expect(made.added).toHaveLength(names.length);
});

test("makeEntryDelta() refuses tables that are none, and makes nothing that is not smaller", async () => {
  const { packed } = await table(all);
  const none = zstdCompressSync(Buffer.from("{"));
  expect(() => makeEntryDelta(none, packed)).toThrow(invalid);
  expect(() => makeEntryDelta(packed, none)).toThrow(invalid);
  expect(makeEntryDelta(zstdCompressSync(Buffer.from('{"version":1,"entries":null}')), packed)).toBeDefined();
  expect(makeEntryDelta(packed, zstdCompressSync(Buffer.from('{"version":1,"entries":[]}')))).toBeDefined();
});

const lines = (...text: string[]) => zstdCompressSync(Buffer.from(["entry-delta 1", ...text, ""].join("\n")));
const entry = (name: string): string => `{"type":"dir","name":"${name}","mode":493,"modtime":"1970-01-01T00:00:00Z"}`;
const read = (...deltas: readonly Uint8Array[]) => readEntryDeltas(deltas, 1000);

test.each([
  ["what is no delta", zstdCompressSync(Buffer.from("entry-delta 2\n=0 1\n"))],
  ["nothing", zstdCompressSync(new Uint8Array(0))],
  ["a line that does not end", zstdCompressSync(Buffer.from("entry-delta 1\n=0 1"))],
  ["a line that says something else", lines("-0 1")],
  ["a negative start", lines("=-1 1")],
  ["a huge start", lines("=4294967296 1")],
  ["a huge count", lines("=0 9999999999")],
  ["no count", lines("=0 0")],
  ["what is copied twice", lines("=0 5", "=4 1")],
  ["what is copied backwards", lines("=9 1", "=0 1")],
  ["an entry that is none", lines("+{}")],
  ["an entry that does not end", lines(`+${entry("a").slice(0, -1)}`)],
  ["two entries in a line", lines(`+${entry("a")},${entry("b")}`)],
  ["an empty line", lines("+")],
  ["an entry that ends the array", lines(`+${entry("a")}],"tarSplitDigest":"","entries":[${entry("b")}`)],
  ["the same path twice", lines(`+${entry("a")}`, `+${entry("a")}`)],
  ["a path that leads out", lines(`+${entry("../a")}`)],
  ["a chunk of nothing", lines('+{"type":"chunk","name":"a"}')],
  [
    "a body outside of the blob",
    lines(
      `+{"type":"reg","name":"a","mode":420,"size":5,"modtime":"1970-01-01T00:00:00Z","offset":900,"endOffset":1001,"digest":"sha256:${"0".repeat(64)}"}`,
    ),
  ],
])("readEntryDeltas() refuses %s", (_, delta) => {
  expect(() => read(delta)).toThrow(invalid);
  expect(() => read(lines("=0 1"), delta)).toThrow(invalid);
});

test("readEntryDeltas() refuses what is too much, damaged or not there", () => {
  expect(() => read()).toThrow(invalid);
  expect(() => read(lines("=0 5"), lines("=5 1"))).toThrow(invalid);
  expect(() => read(lines("=0 5", `+${entry("a")}`), lines("=0 7"))).toThrow(invalid);
  expect(() => read(lines(`+${entry("a")}`), lines("=0 1", `+${entry("a")}`))).toThrow(invalid);
  const tooMany = expect.objectContaining({ code: "LIMIT_EXCEEDED" });
  expect(() => read(lines("=0 999999999"))).toThrow(tooMany);
  expect(() => read(lines(`=0 ${limits.chunkedTableEntries}`, `+${entry("a")}`))).toThrow(tooMany);
  expect(read(lines(`=7 ${limits.chunkedTableEntries}`)).runs).toEqual([
    { first: 7, count: limits.chunkedTableEntries },
  ]);
  const whole = lines("=0 1");
  const damaged = expect.objectContaining({ code: "COMPRESSION_INVALID" });
  expect(() => read(whole.subarray(0, -1))).toThrow(damaged);
  expect(() => read(noise(200))).toThrow(damaged);
  expect(() => read(zstdCompressSync(new Uint8Array(limits.tocDeltaMostBytes + 1)))).toThrow(damaged);
});
