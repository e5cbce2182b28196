// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { readAnnotations } from "../../../src/formats/zstd-chunked/annotations.ts";
import { makeTocDelta, unpackTable } from "../../../src/formats/zstd-chunked/delta.ts";
import { openToc } from "../../../src/formats/zstd-chunked/open.ts";
import type { TocEntry } from "../../../src/formats/zstd-chunked/toc.ts";
import { editToc } from "../../../src/formats/zstd-chunked/toc-edit.ts";
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
  const { offset, size, unpackedSize } = places.toc;
  const packed = blob.subarray(offset, offset + size);
  return { places, packed, unpackedSize, json: unpackTable(packed, "table"), toc: openToc(packed, places) };
}

type Table = Awaited<ReturnType<typeof table>>;

function edit(first: Table, ...later: readonly Table[]) {
  let from = first;
  const steps = later.map((to) => {
    const delta = makeTocDelta(from.packed, to.packed);
    if (delta === undefined) throw new Error("no delta");
    from = to;
    return { delta, unpackedSize: to.unpackedSize };
  });
  return editToc(first.json, steps, from.places.payloadEnd);
}

/** What an entry says, but for where its body lies. */
const facts = ({ chunks, ...rest }: TocEntry) => ({
  ...rest,
  chunks: chunks.map(({ size, digest }) => [size, digest]),
});

function check(first: Table, last: Table, made: ReturnType<typeof editToc>): void {
  expect(Buffer.compare(made.json, last.json)).toBe(0);
  let next = 0;
  const from = made.runs.flatMap(({ first, count }) =>
    Array.from({ length: count }, (_, at) => (first < 0 ? -1 : first + at)),
  );
  expect(made.runs.every(({ count }) => count > 0)).toBe(true);
  const entries = from.map((at) => (at < 0 ? made.added[next++] : first.toc.entries[at]));
  expect(next).toBe(made.added.length);
  expect(entries.map((entry) => entry && facts(entry))).toEqual(last.toc.entries.map(facts));
  for (const [at, entry] of made.added.entries()) {
    const number = from.flatMap((one, index) => (one < 0 ? [index] : []))[at] ?? -1;
    expect(entry).toEqual(last.toc.entries[number] as TocEntry);
  }
}

const all = names.map(() => 1);

test("editToc() reads only what is new, and says which entry is which, over one delta or two", async () => {
  const first = await table(all);
  const second = await table(all.map((one, at) => (at === 9 || at === 30 ? 2 : at === 40 ? 0 : one)));
  const third = await table(all.map((one, at) => (at === 9 ? 3 : at === 30 ? 2 : at === 12 ? 0 : one)));
  const once = edit(first, second);
  // the piece with the last entry has the digest of the tar-split data, too
  expect(once.added.map(({ path }) => path)).toEqual([9, 30, 59].map((at) => names[at] ?? ""));
  check(first, second, once);
  check(first, third, edit(first, second, third));
  check(first, first, edit(first, first));
});

test("editToc() makes any table of any other", async () => {
  const tree = fc.array(fc.constantFrom(0, 1, 1, 1, 1, 1, 2), { minLength: 60, maxLength: 60 });
  const property = fc.asyncProperty(tree, tree, tree, async (one, two, three) => {
    const [first, middle, last] = [await table(one), await table(two), await table(three)];
    const isMade = (from: Table, to: Table) => makeTocDelta(from.packed, to.packed) !== undefined;
    if (!isMade(first, middle)) return;
    check(first, middle, edit(first, middle));
    if (isMade(middle, last)) check(first, last, edit(first, middle, last));
  });
  await fc.assert(property, { numRuns: 12 });
});

test("editToc() refuses tables and deltas that are not as Dowel makes them", async () => {
  const first = await table(all);
  const { json, places, unpackedSize } = first;
  const lines = (...text: string[]) => zstdCompressSync(Buffer.from(`toc-delta 1 3\n${text.join("\n")}\n`, "latin1"));
  const run =
    (delta: Uint8Array, size = unpackedSize, from = json) =>
    () =>
      editToc(from, [{ delta, unpackedSize: size }], places.payloadEnd);
  const invalid = expect.objectContaining({ code: "ZSTD_CHUNKED_INVALID" });
  expect(() => editToc(json, [], places.payloadEnd)).toThrow(invalid);
  expect(run(lines("=0 1 0"))).toThrow(invalid);
  expect(run(lines("=0 99999 0"))).toThrow(invalid);
  expect(run(lines("=0 1 0"), 10, Buffer.from("[]"))).toThrow(invalid);
  const text = Buffer.from(json).toString("latin1");
  const piece = '{"type":"dir","name":"a","mode":493,"modtime":"1970-01-01T00:00:00Z"';
  const hidden = `{"version":1,"entries":[${piece}},${piece.replace('"a"', '"b"')}}]}`;
  expect(run(lines(`+${hidden}`), hidden.length)).toThrow("several pieces");
  const beyond = text.replace(/"endOffset":\d+/, '"endOffset":99999999');
  expect(run(lines(`+${beyond.split('},{"type":"').join("\n+")}`), beyond.length)).toThrow(invalid);
});
