// SPDX-License-Identifier: Apache-2.0
import { encodeUtf8 } from "../../base/text.ts";
import { carryOut } from "./delta.ts";
import { refuse, separator, Table } from "./delta-table.ts";
import type { TocEntry } from "./toc.ts";
import { parseToc } from "./toc-parse.ts";

const open = '{"version":1,"entries":[';
const start = Buffer.from(`${open}{"type":"`);
const separatorBytes = Buffer.from(separator);
const chunkType = Buffer.from('chunk"');

/** What became of a table of contents by deltas. Nothing vouches for it but what is made of it. */
export interface TocEdit {
  /** The table, unpacked. */
  readonly json: Uint8Array;
  /** Its entries, in order. */
  readonly runs: readonly EntryRun[];
  /** Those of runs that begin with -1, in order; they are checked as `parseToc` does. */
  readonly added: readonly TocEntry[];
}

/** So many entries of a table that are, but for the places of their bodies, those of the first table from `first` on; -1: none of it. */
interface EntryRun {
  readonly first: number;
  readonly count: number;
}

/** A delta, and the size of the table that it makes. */
interface EditStep {
  readonly delta: Uint8Array;
  readonly unpackedSize: number;
}

/**
 * Applies deltas to a table of contents one after the other, and reads only what is new of the last one. For where the
 * entries of the first table are known, and something else than the digest of the table says whether the result is right.
 * Throws ZSTD_CHUNKED_INVALID for a table or a delta that is not as Dowel makes them, COMPRESSION_INVALID, LIMIT_EXCEEDED.
 */
export function editToc(first: Uint8Array, steps: readonly EditStep[], payloadEnd: number): TocEdit {
  let json = first;
  let runs: readonly EntryRun[] | undefined;
  /** Where entries begin that the last step added. */
  let fresh: number[] = [];
  for (const { delta, unpackedSize } of steps) {
    const table = new EntryTable(json);
    const next = new Runs();
    fresh = [];
    const visitor = {
      copied: (piece: number, count: number) => table.addEntries(piece, count, next),
      added: (piece: Buffer, end: number) => {
        if (piece.includes(separatorBytes)) refuse("a line has several pieces");
        if (isChunk(piece)) return;
        next.add(-1, 1);
        fresh.push(end - piece.length);
      },
    };
    json = carryOut(table.pieces, delta, unpackedSize, visitor).json;
    runs = runs === undefined ? next.list : throughRuns(runs, next.list);
  }
  if (runs === undefined) refuse("there is none");
  requireStart(json);
  const texts = steps.length === 1 ? fresh.map((at) => textAt(json, at)) : textsOf(json, runs);
  return { json, runs, added: parseToc(encodeUtf8(`${open}${texts.join(",")}]}`), payloadEnd).entries };
}

/** Gathers runs, each as long as can be. */
class Runs {
  readonly list: { first: number; count: number }[] = [];

  add(first: number, count: number): void {
    if (count === 0) return;
    const last = this.list.at(-1);
    const next = last === undefined || last.first < 0 ? -1 : last.first + last.count;
    if (last !== undefined && next === first) last.count += count;
    else this.list.push({ first, count });
  }
}

/** What runs of a second table are of the first one, where `earlier` is what the second one is of it. */
function throughRuns(earlier: readonly EntryRun[], later: readonly EntryRun[]): readonly EntryRun[] {
  const starts: number[] = [];
  let total = 0;
  for (const { count } of earlier) {
    starts.push(total);
    total += count;
  }
  const result = new Runs();
  for (const { first, count } of later) {
    if (first < 0) result.add(-1, count);
    else for (let at = first; at < first + count; ) at += addPart(at, first + count);
  }
  return result.list;

  /** Adds the entries from `at` that lie in one earlier run; answers how many. */
  function addPart(at: number, end: number): number {
    const which = lastUpTo(starts, at);
    const [run, start] = [earlier[which], starts[which]];
    if (run === undefined || start === undefined) throw new Error(`there is no entry ${at}`);
    const count = Math.min(end, start + run.count) - at;
    result.add(run.first < 0 ? -1 : run.first + at - start, count);
    return count;
  }
}

/** The last of ascending numbers that is not above another. */
function lastUpTo(numbers: ArrayLike<number>, most: number): number {
  let [low, high] = [0, numbers.length];
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if ((numbers[middle] ?? 0) <= most) low = middle;
    else high = middle;
  }
  return low;
}

function isChunk(piece: Buffer): boolean {
  return chunkType.every((byte, at) => piece[at] === byte);
}

/** The entries that are new, where it is not known where they are. */
function textsOf(json: Uint8Array, runs: readonly EntryRun[]): readonly string[] {
  const table = new EntryTable(json);
  const texts: string[] = [];
  let entry = 0;
  for (const { first, count } of runs) {
    for (let at = entry; first < 0 && at < entry + count; at++) texts.push(textAt(json, table.start(at)));
    entry += count;
  }
  return texts;
}

/** The JSON of the entry whose piece begins at a place, and of its chunks. */
function textAt(json: Uint8Array, start: number): string {
  const bytes = bytesOf(json);
  let end = bytes.indexOf(separatorBytes, start);
  while (
    end >= 0 &&
    isChunk(bytes.subarray(end + separatorBytes.length, end + separatorBytes.length + chunkType.length))
  )
    end = bytes.indexOf(separatorBytes, end + 1);
  const text = bytes.toString("utf8", start, end < 0 ? bytes.length : end);
  const entry = start === 0 ? text.slice(open.length) : `{"type":"${text}`;
  return end < 0 ? entry.slice(0, entry.lastIndexOf("]")) : `${entry}}`;
}

function requireStart(json: Uint8Array): void {
  if (json.length < start.length || bytesOf(json).compare(start, 0, start.length, 0, start.length) !== 0) {
    refuse("the table must begin with its version and its entries");
  }
}

function bytesOf(json: Uint8Array): Buffer {
  return Buffer.from(json.buffer, json.byteOffset, json.byteLength);
}

/** A table of contents by entries: each is one piece and those of the chunks behind it. */
class EntryTable {
  readonly pieces: Table;
  /** For each piece, and for one more, how many entries begin before it. */
  readonly #before: Int32Array;

  constructor(json: Uint8Array) {
    requireStart(json);
    this.pieces = new Table(json);
    const { count } = this.pieces;
    this.#before = new Int32Array(count + 1);
    for (let piece = 0, entries = 0; piece < count; piece++) {
      if (piece === 0 || !this.pieces.startsWith(piece, chunkType)) entries++;
      this.#before[piece + 1] = entries;
    }
  }

  /** Adds the entries that begin in a run of pieces. */
  addEntries(piece: number, count: number, to: Runs): void {
    const first = this.#before[piece] ?? 0;
    to.add(first, (this.#before[piece + count] ?? 0) - first);
  }

  /** Where the piece of an entry begins. */
  start(entry: number): number {
    // the pieces of its chunks come after it, and have one more before them
    return this.pieces.start(lastUpTo(this.#before, entry));
  }
}
