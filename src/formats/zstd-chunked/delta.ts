// SPDX-License-Identifier: Apache-2.0
import { zstdCompressSync, constants as zstdConstants } from "node:zlib";
import { limits } from "../../base/limits.ts";
import { packZstd } from "../../sys/zstd.ts";
import type { ChunkedPlaces } from "./annotations.ts";
import { Result, refuse, separator, shapeOf, Table } from "./delta-table.ts";
import { checkDigest, unpackAtMost } from "./frame.ts";

/**
 * How a table of contents comes of an earlier one. Unpacked, a delta is lines of latin1 text: `toc-delta 1 LEVEL`, where
 * LEVEL is what zstd packs the new table with; then for its pieces, in order, `=FIRST COUNT SHIFT`, pieces of the earlier
 * table with SHIFT added to their offsets, or `+TEXT`, a new piece. Pieces are what lies between `separator`s: entries, but
 * for the first and the last. An entry whose body has only moved in the blob is then no news.
 */
const head = "toc-delta 1 ";
const what = "delta of a table of contents";
/** Levels that a delta may ask for: a higher one costs more time than the bytes are worth. */
const levels = [3, 1, 2, 4, 5, 6, 7, 8, 9] as const;

/** Whether a layer or its table is so large that deltas are worth their requests, and the table does not cost too much memory. */
export function isDeltaWorthwhile({ toc, payloadEnd }: Pick<ChunkedPlaces, "toc" | "payloadEnd">): boolean {
  const isLarge = toc.size >= limits.tocDeltaLeastBytes || payloadEnd >= limits.deltaLeastLayerBytes;
  return isLarge && toc.unpackedSize <= limits.tocDeltaMostBytes;
}

/**
 * Makes the delta from one packed table of contents to another; undefined where it would not be much smaller than the new
 * table, or where the new one cannot be made of it byte for byte. Throws COMPRESSION_INVALID, LIMIT_EXCEEDED.
 */
export function makeTocDelta(from: Uint8Array, to: Uint8Array): Uint8Array | undefined {
  const json = unpackTable(to, "new table of contents");
  const level = levels.find((candidate) => Buffer.compare(packZstd(json, candidate), to) === 0);
  if (level === undefined) return undefined;
  const pieces = Buffer.from(json).toString("latin1").split(separator);
  if (pieces.some((piece) => piece.includes("\n"))) return undefined;
  const lines = [`${head}${level}`, ...instructions(new Table(unpackTable(from, "earlier table of contents")), pieces)];
  const packed = zstdCompressSync(Buffer.from(`${lines.join("\n")}\n`, "latin1"), {
    params: { [zstdConstants.ZSTD_c_compressionLevel]: 19 },
  });
  return packed.length < to.length / 2 ? packed : undefined;
}

function* instructions(from: Table, pieces: readonly string[]): Generator<string> {
  const known = from.shapes();
  let run: { first: number; count: number; shift: number | undefined } | undefined;
  const flush = (): string[] => (run === undefined ? [] : [`=${run.first} ${run.count} ${run.shift ?? 0}`]);
  for (const piece of pieces) {
    const { shape, base } = shapeOf(piece);
    const next = run === undefined ? -1 : run.first + run.count;
    const same = known.get(shape);
    const at = same?.includes(next) === true ? next : same?.[0];
    const shift = at === undefined || base === undefined ? undefined : base - (from.base(at) ?? 0);
    const fits = run?.shift === undefined || shift === undefined || run.shift === shift;
    if (run !== undefined && at === next && fits) {
      run = { ...run, count: run.count + 1, shift: run.shift ?? shift };
      continue;
    }
    yield* flush();
    run = at === undefined ? undefined : { first: at, count: 1, shift };
    if (at === undefined) yield `+${piece}`;
  }
  yield* flush();
}

/**
 * Makes a packed table of contents of an earlier packed one and a delta. The result has the size and the digest that are given.
 * Throws ZSTD_CHUNKED_INVALID for a delta that is none, DIGEST_MISMATCH, COMPRESSION_INVALID, LIMIT_EXCEEDED.
 */
export function applyTocDelta(
  from: Uint8Array,
  delta: Uint8Array,
  { unpackedSize, digest }: { readonly unpackedSize: number; readonly digest: string },
): Uint8Array {
  const table = new Table(unpackTable(from, "earlier table of contents"));
  const { json, level } = carryOut(table, delta, unpackedSize);
  const packed = packZstd(json, level);
  checkDigest(packed, digest, what);
  return packed;
}

/** The table that a delta makes of an earlier one, and the level to pack it with. Throws as `applyTocDelta`. */
function carryOut(
  table: Table,
  delta: Uint8Array,
  unpackedSize: number,
): { readonly json: Uint8Array; readonly level: number } {
  const { buffer, byteOffset, byteLength } = unpackAtMost(delta, unpackedSize + 64 * 1024, what);
  const text = Buffer.from(buffer, byteOffset, byteLength);
  const result = new Result(unpackedSize);
  let level = 0;
  for (let at = 0; at < text.length; ) {
    const found = text.indexOf(10, at);
    const end = found < 0 ? text.length : found;
    if (level === 0) level = readHead(text.toString("latin1", at, end));
    else if (text[at] === 43) result.addPiece(text.subarray(at + 1, end));
    else {
      const { first, count, shift } = readCopy(table, text.toString("latin1", at, end));
      result.addPiece(table.bytes(first, first + count), shift);
    }
    at = end + 1;
  }
  const json = result.finish();
  return { json, level: level === 0 ? refuse("it is empty") : level };
}

function readHead(line: string): number {
  const level = levels.find((one) => line === `${head}${one}`);
  return level ?? refuse("its first line must state version 1 and a level from 1 to 9");
}

function readCopy(table: Table, line: string): { first: number; count: number; shift: number } {
  const [, first, count, shift] = (/^=(\d{1,9}) (\d{1,9}) (-?\d{1,15})$/.exec(line) ?? []).map(Number);
  if (first === undefined || count === undefined || shift === undefined) refuse("a line must begin with + or =");
  if (count < 1 || first + count > table.count) refuse(`there are ${table.count} pieces to copy, not ${first + count}`);
  return { first, count, shift };
}

/** The JSON of a packed table, of which deltas are made or which they change. */
export function unpackTable(packed: Uint8Array, what: string): Uint8Array {
  return unpackAtMost(packed, limits.tocDeltaMostBytes, what);
}
