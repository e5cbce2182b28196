// SPDX-License-Identifier: Apache-2.0
import { zstdCompressSync, constants as zstdConstants } from "node:zlib";
import { DowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { packZstd } from "../../sys/zstd.ts";
import type { ChunkedPlaces } from "./annotations.ts";
import { checkDigest, unpackAtMost } from "./frame.ts";

/**
 * How a table of contents comes of an earlier one. Unpacked, a delta is lines of latin1 text: `toc-delta 1 LEVEL`, where
 * LEVEL is what zstd packs the new table with; then for its pieces, in order, `=FIRST COUNT SHIFT`, pieces of the earlier
 * table with SHIFT added to their offsets, or `+TEXT`, a new piece. Pieces are what lies between `separator`s: entries, but
 * for the first and the last. An entry whose body has only moved in the blob is then no news.
 */
const separator = '},{"type":"';
const head = "toc-delta 1 ";
const offsets = /"(offset|endOffset)":(\d{1,15})(?=[,}]|$)/g;
/** Levels that a delta may ask for: a higher one costs more time than the bytes are worth. */
const levels = [3, 1, 2, 4, 5, 6, 7, 8, 9] as const;
const separatorBytes = Buffer.from(separator);
const endKey = Buffer.from('"endO');
const offsetName = Buffer.from('ffset":');

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

/** A piece with its offsets counted from the first of them, which is `base`. */
function shapeOf(piece: string): { readonly shape: string; readonly base: number | undefined } {
  let base: number | undefined;
  const shape = piece.replace(offsets, (_, key: string, digits: string) => {
    base ??= Number(digits);
    return `"${key}":${Number(digits) - base}`;
  });
  return { shape, base };
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
  const what = "delta of a table of contents";
  const text = Buffer.from(unpackAtMost(delta, unpackedSize + 64 * 1024, what));
  const table = new Table(unpackTable(from, "earlier table of contents"));
  const result = new Result(unpackedSize);
  let level = 0;
  for (let at = 0; at < text.length; ) {
    const found = text.indexOf(10, at);
    const end = found < 0 ? text.length : found;
    if (level === 0) level = readHead(text.toString("latin1", at, end));
    else if (text[at] === 43) result.addPiece(text.subarray(at + 1, end));
    else copy(table, text.toString("latin1", at, end), result);
    at = end + 1;
  }
  const packed = packZstd(result.finish(), level === 0 ? refuse("it is empty") : level);
  checkDigest(packed, digest, what);
  return packed;
}

function readHead(line: string): number {
  const level = levels.find((one) => line === `${head}${one}`);
  return level ?? refuse("its first line must state version 1 and a level from 1 to 9");
}

function copy(table: Table, line: string, result: Result): void {
  const [, first, count, shift] = (/^=(\d{1,9}) (\d{1,9}) (-?\d{1,15})$/.exec(line) ?? []).map(Number);
  if (first === undefined || count === undefined || shift === undefined) refuse("a line must begin with + or =");
  if (count < 1 || first + count > table.count) refuse(`there are ${table.count} pieces to copy, not ${first + count}`);
  result.addPiece(table.bytes(first, first + count), shift);
}

function moveBy(offset: number, shift: number): number {
  return offset + shift >= 0 ? offset + shift : refuse("an offset must not be negative");
}

/** Where the digits are that `offsets` finds from `from` on, without a string for the text; undefined behind the last. */
function nextOffset(piece: Buffer, from: number): { readonly start: number; readonly end: number } | undefined {
  for (let at = piece.indexOf(offsetName, from); at >= 0; at = piece.indexOf(offsetName, at + 1)) {
    const start = at + offsetName.length;
    let end = start;
    while (isDigit(piece[end])) end++;
    const next = piece[end];
    const isEnd = next === undefined || next === 0x2c || next === 0x7d;
    if (end > start && end - start <= 15 && isEnd && isKey(piece, at)) return { start, end };
  }
  return undefined;
}

/** Whether what comes before `ffset` makes `"offset` or `"endOffset` of it. */
function isKey(piece: Buffer, at: number): boolean {
  if (piece[at - 1] === 0x6f) return piece[at - 2] === 0x22;
  return piece[at - 1] === 0x4f && at >= 5 && piece.compare(endKey, 0, 5, at - 5, at) === 0;
}

function readNumber(bytes: Buffer, start: number, end: number): number {
  let value = 0;
  for (let at = start; at < end; at++) value = 10 * value + (bytes[at] ?? 0) - 0x30;
  return value;
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}

function refuse(problem: string): never {
  throw new DowelError("ZSTD_CHUNKED_INVALID", `Delta of a table of contents: ${problem}`);
}

function unpackTable(packed: Uint8Array, what: string): Uint8Array {
  return unpackAtMost(packed, limits.tocDeltaMostBytes, what);
}

/** A table of contents as pieces, without a string for each. */
class Table {
  readonly #json: Buffer;
  /** Where pieces begin; behind the last, where one more would. */
  readonly #starts: number[] = [0];

  constructor(json: Uint8Array) {
    this.#json = Buffer.from(json.buffer, json.byteOffset, json.byteLength);
    for (let at = this.#json.indexOf(separator); at >= 0; at = this.#json.indexOf(separator, at + 1)) {
      this.#starts.push(at + separator.length);
    }
    this.#starts.push(this.#json.length + separator.length);
  }

  get count(): number {
    return this.#starts.length - 1;
  }

  /** The pieces from `first` to before `end`, with separators between them. */
  bytes(first: number, end: number): Buffer {
    return this.#json.subarray(this.#starts[first] ?? 0, (this.#starts[end] ?? 0) - separator.length);
  }

  base(at: number): number | undefined {
    return this.#shapeOf(at).base;
  }

  #shapeOf(at: number): ReturnType<typeof shapeOf> {
    return shapeOf(this.bytes(at, at + 1).toString("latin1"));
  }

  /** Which pieces have a shape. */
  shapes(): Map<string, number[]> {
    const found = new Map<string, number[]>();
    for (let at = 0; at < this.count; at++) {
      const { shape } = this.#shapeOf(at);
      const same = found.get(shape);
      if (same === undefined) found.set(shape, [at]);
      else same.push(at);
    }
    return found;
  }
}

/** Gathers pieces in memory of a size that is known. */
class Result {
  readonly #bytes: Buffer;
  #size = 0;
  #isEmpty = true;

  constructor(size: number) {
    this.#bytes = Buffer.alloc(size);
  }

  /** Adds a piece, or several with separators between them, with `shift` added to its offsets. */
  addPiece(piece: Buffer, shift = 0): void {
    if (!this.#isEmpty) this.#add(separatorBytes);
    this.#isEmpty = false;
    let done = 0;
    for (let found = shift === 0 ? undefined : nextOffset(piece, 0); found; found = nextOffset(piece, done)) {
      const { start, end } = found;
      this.#add(piece, done, start);
      this.#addNumber(moveBy(readNumber(piece, start, end), shift));
      done = end;
    }
    this.#add(piece, done);
  }

  finish(): Uint8Array {
    const { length } = this.#bytes;
    return this.#size === length ? this.#bytes : refuse(`it makes ${this.#size} of ${length} bytes`);
  }

  #add(bytes: Buffer, start = 0, end = bytes.length): void {
    this.#require(end - start);
    this.#size += bytes.copy(this.#bytes, this.#size, start, end);
  }

  #addNumber(value: number): void {
    let digits = 1;
    for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) digits++;
    this.#require(digits);
    for (let at = this.#size + digits - 1, rest = value; at >= this.#size; at--, rest = Math.floor(rest / 10)) {
      this.#bytes[at] = 0x30 + (rest % 10);
    }
    this.#size += digits;
  }

  #require(size: number): void {
    if (this.#size + size > this.#bytes.length) refuse(`it makes more than ${this.#bytes.length} bytes`);
  }
}
