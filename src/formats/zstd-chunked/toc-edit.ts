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
  /** For each entry the number of the entry of the first table that it is, but for the places of its body; -1: none. */
  readonly from: readonly number[];
  /** Those that are -1, in order; they are checked as `parseToc` does. */
  readonly added: readonly TocEntry[];
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
  let from: readonly number[] | undefined;
  /** Where entries begin that the last step added. */
  let fresh: number[] = [];
  for (const { delta, unpackedSize } of steps) {
    const table = new EntryTable(json);
    const next: number[] = [];
    const before = from;
    fresh = [];
    const visitor = {
      copied: (piece: number, count: number) => table.addEntries(piece, count, next),
      added: (piece: Buffer, end: number) => {
        if (piece.includes(separatorBytes)) refuse("a line has several pieces");
        if (isChunk(piece)) return;
        next.push(-1);
        fresh.push(end - piece.length);
      },
    };
    json = carryOut(table.pieces, delta, unpackedSize, visitor).json;
    from = before === undefined ? next : next.map((entry) => (entry < 0 ? -1 : (before[entry] ?? -1)));
  }
  if (from === undefined) refuse("there is none");
  requireStart(json);
  const texts = steps.length === 1 ? fresh.map((at) => textAt(json, at)) : textsOf(json, from);
  return { json, from, added: parseToc(encodeUtf8(`${open}${texts.join(",")}]}`), payloadEnd).entries };
}

function isChunk(piece: Buffer): boolean {
  return chunkType.every((byte, at) => piece[at] === byte);
}

/** The entries that are new, where it is not known where they are. */
function textsOf(json: Uint8Array, from: readonly number[]): readonly string[] {
  const table = new EntryTable(json);
  return from.flatMap((earlier, entry) => (earlier < 0 ? [textAt(json, table.start(entry))] : []));
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
  /** For each piece the number of its entry; for chunks -1. */
  readonly #entries: Int32Array;
  /** The first piece of each entry. */
  readonly #firsts: number[] = [];

  constructor(json: Uint8Array) {
    requireStart(json);
    this.pieces = new Table(json);
    this.#entries = new Int32Array(this.pieces.count);
    for (let piece = 0; piece < this.pieces.count; piece++) {
      const isEntry = piece === 0 || !this.pieces.startsWith(piece, chunkType);
      this.#entries[piece] = isEntry ? this.#firsts.push(piece) - 1 : -1;
    }
  }

  /** Adds the numbers of the entries that begin in a run of pieces. */
  addEntries(piece: number, count: number, to: number[]): void {
    for (let at = piece; at < piece + count; at++) {
      const entry = this.#entries[at] ?? -1;
      if (entry >= 0) to.push(entry);
    }
  }

  /** Where the piece of an entry begins. */
  start(entry: number): number {
    return this.pieces.start(this.#firsts[entry] ?? 0);
  }
}
