// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { readAnnotations } from "../../../src/formats/zstd-chunked/annotations.ts";
import { applyTocDelta, isDeltaWorthwhile, makeTocDelta } from "../../../src/formats/zstd-chunked/delta.ts";
import { openToc } from "../../../src/formats/zstd-chunked/open.ts";
import { file, noise, type Written, writeLayer } from "./support.ts";

type Files = Readonly<Record<string, Uint8Array>>;

const layerOf = (files: Files, level = 3): Promise<Written> =>
  writeLayer(
    Object.entries(files).map(([path, body]) => file(path, body)),
    level,
  );

function tableOf({ blob, layer }: Written) {
  const places = readAnnotations(layer.annotations, blob.length);
  if (places === undefined) throw new Error("no annotations");
  const { offset, size } = places.toc;
  return { places, packed: blob.subarray(offset, offset + size) };
}

const names = Array.from({ length: 300 }, (_, at) => `usr/share/${String(at).padStart(3, "0")}`);
const base: Files = Object.fromEntries(names.map((name, at) => [name, noise(100 + at, at + 1)]));
const from = tableOf(await layerOf(base));
const changed = tableOf(
  await layerOf({ ...base, "usr/share/007": noise(5000, 900), "usr/share/more": noise(10, 901) }),
);

const wanted = ({ places }: ReturnType<typeof tableOf>) => ({
  unpackedSize: places.toc.unpackedSize,
  digest: places.tocDigest,
});
const made = (lines: readonly string[]): Uint8Array => zstdCompressSync(Buffer.from(`${lines.join("\n")}\n`, "latin1"));
const apply = (lines: readonly string[]): Uint8Array => applyTocDelta(from.packed, made(lines), wanted(changed));

test("makeTocDelta() is small where entries have only moved, and gives the same bytes again", () => {
  const delta = makeTocDelta(from.packed, changed.packed);
  if (delta === undefined) throw new Error("no delta");
  expect(delta.length).toBeLessThan(600);
  expect(changed.packed.length).toBeGreaterThan(10_000);
  const result = applyTocDelta(from.packed, delta, wanted(changed));
  expect(Buffer.compare(result, changed.packed)).toBe(0);
  expect(openToc(result, changed.places).entries).toHaveLength(301);
});

test("makeTocDelta() gives nothing where all is new, or where the table cannot be packed to the same bytes", () => {
  const other = { packed: zstdCompressSync("other") };
  expect(makeTocDelta(other.packed, changed.packed)).toBeUndefined();
  expect(makeTocDelta(from.packed, Buffer.concat([changed.packed, zstdCompressSync("")]))).toBeUndefined();
});

test("applyTocDelta() makes any table again of any other", async () => {
  const changes = fc.array(fc.tuple(fc.integer({ min: 0, max: 80 }), fc.integer({ min: 0, max: 2 })), {
    maxLength: 30,
  });
  const trees = fc.tuple(changes, changes);
  const layer = (tree: readonly (readonly [number, number])[]) =>
    layerOf(Object.fromEntries(tree.map(([name, seed]) => [`ä "${name}" offset":5`, noise(seed * 20_000, seed + 1)])));
  const common = Array.from({ length: 60 }, (_, name) => [name, name % 3] as const);
  let deltas = 0;
  await fc.assert(
    fc.asyncProperty(trees, async ([left, right]) => {
      const [one, two] = [tableOf(await layer([...common, ...left])), tableOf(await layer([...common, ...right]))];
      const delta = makeTocDelta(one.packed, two.packed);
      if (delta === undefined) return;
      deltas += 1;
      expect(Buffer.compare(applyTocDelta(one.packed, delta, wanted(two)), two.packed)).toBe(0);
    }),
    { numRuns: 20 },
  );
  expect(deltas).toBeGreaterThan(5);
});

const head = "toc-delta 1 3";
test.each([
  ["nothing", [], "first line"],
  ["another version", ["toc-delta 2 3"], "first line"],
  ["a level that costs too much", ["toc-delta 1 19"], "first line"],
  ["a line of another kind", [head, "-0 1 0"], "must begin with + or ="],
  ["no pieces to copy", [head, "=0 0 0"], "pieces to copy"],
  ["pieces that are not there", [head, "=299 9 0"], "pieces to copy"],
  ["an offset below zero", [head, "=0 9 -99999999"], "must not be negative"],
  ["too much", [head, ...Array.from({ length: 99 }, () => "=0 300 0")], "more than"],
  ["too little", [head, "=0 3 0"], "bytes"],
  ["nothing but a head", [head], "bytes"],
])("applyTocDelta() refuses a delta that holds %s", (_, lines, problem) => {
  expect(() => apply(lines)).toThrow(expect.objectContaining({ code: "ZSTD_CHUNKED_INVALID" }));
  expect(() => apply(lines)).toThrow(problem);
});

test("applyTocDelta() refuses bombs, damage, and what makes another table than the manifest names", async () => {
  const code = (name: string) => expect.objectContaining({ code: name });
  const places = wanted(changed);
  const bomb = zstdCompressSync(new Uint8Array(64 * 1024 * 1024));
  expect(() => applyTocDelta(from.packed, bomb, places)).toThrow(code("COMPRESSION_INVALID"));
  expect(() => applyTocDelta(from.packed, noise(100), places)).toThrow(code("COMPRESSION_INVALID"));
  expect(() => applyTocDelta(noise(100), made([head]), places)).toThrow(code("COMPRESSION_INVALID"));
  const delta = makeTocDelta(from.packed, changed.packed) ?? new Uint8Array(0);
  const twin = tableOf(await layerOf({ ...base, "usr/share/000": noise(100, 999) }));
  expect(() => applyTocDelta(twin.packed, delta, places)).toThrow(code("DIGEST_MISMATCH"));
});

test("isDeltaWorthwhile() is so for layers that are not small, and tables that are not huge", () => {
  const place = (size: number, unpackedSize: number, payloadEnd = 1000) => ({
    toc: { offset: 0, size, unpackedSize },
    payloadEnd,
  });
  expect(isDeltaWorthwhile(place(2000, 10_000, 5_000_000))).toBe(true);
  expect(isDeltaWorthwhile(place(2_000_000, 10_000_000))).toBe(true);
  expect(isDeltaWorthwhile(place(2000, 10_000))).toBe(false);
  expect(isDeltaWorthwhile(place(20_000_000, 100_000_000))).toBe(false);
});
