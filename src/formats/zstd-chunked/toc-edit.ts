// SPDX-License-Identifier: Apache-2.0
import { encodeUtf8 } from "../../base/text.ts";
import { carryOut } from "./delta.ts";
import { refuse, Table } from "./delta-table.ts";
import type { TocEntry } from "./toc.ts";
import { parseToc } from "./toc-parse.ts";

const open = '{"version":1,"entries":[';
const start = Buffer.from(`${open}{"type":"`);
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
  for (const { delta, unpackedSize } of steps) {
    const table = new EntryTable(json);
    const next: number[] = [];
    const before = from;
    const visitor = {
      copied: (piece: number, count: number) => table.addEntries(piece, count, next),
      added: (piece: Buffer) => {
        if (!isChunk(piece)) next.push(-1);
      },
    };
    json = carryOut(table.pieces, delta, unpackedSize, visitor).json;
    from = before === undefined ? next : next.map((entry) => (entry < 0 ? -1 : (before[entry] ?? -1)));
  }
  if (from === undefined) refuse("there is none");
  return { json, from, added: readAdded(json, from, payloadEnd) };
}

function isChunk(piece: Buffer): boolean {
  return chunkType.every((byte, at) => piece[at] === byte);
}

function readAdded(json: Uint8Array, from: readonly number[], payloadEnd: number): readonly TocEntry[] {
  const table = new EntryTable(json);
  if (table.count !== from.length) refuse(`it makes ${table.count} entries, not ${from.length}`);
  const texts: string[] = [];
  for (const [entry, earlier] of from.entries()) if (earlier < 0) texts.push(table.text(entry));
  return parseToc(encodeUtf8(`${open}${texts.join(",")}]}`), payloadEnd).entries;
}

/** A table of contents by entries: each is one piece and those of the chunks behind it. */
class EntryTable {
  readonly pieces: Table;
  /** For each piece the number of its entry; for chunks -1. */
  readonly #entries: Int32Array;
  /** The first piece of each entry. */
  readonly #firsts: number[] = [];

  constructor(json: Uint8Array) {
    const bytes = Buffer.from(json.buffer, json.byteOffset, json.byteLength);
    if (bytes.length < start.length || bytes.compare(start, 0, start.length, 0, start.length) !== 0) {
      refuse("the table must begin with its version and its entries");
    }
    this.pieces = new Table(json);
    this.#entries = new Int32Array(this.pieces.count);
    for (let piece = 0; piece < this.pieces.count; piece++) {
      const isEntry = piece === 0 || !this.pieces.startsWith(piece, chunkType);
      this.#entries[piece] = isEntry ? this.#firsts.push(piece) - 1 : -1;
    }
  }

  get count(): number {
    return this.#firsts.length;
  }

  /** Adds the numbers of the entries that begin in a run of pieces. */
  addEntries(piece: number, count: number, to: number[]): void {
    for (let at = piece; at < piece + count; at++) {
      const entry = this.#entries[at] ?? -1;
      if (entry >= 0) to.push(entry);
    }
  }

  /** The JSON of an entry and its chunks. */
  text(entry: number): string {
    const first = this.#firsts[entry] ?? 0;
    const end = this.#firsts[entry + 1] ?? this.pieces.count;
    const bytes = this.pieces.bytes(first, end).toString("utf8");
    const text = first === 0 ? bytes.slice(open.length) : `{"type":"${bytes}`;
    return end < this.pieces.count ? `${text}}` : text.slice(0, text.lastIndexOf("]"));
  }
}
