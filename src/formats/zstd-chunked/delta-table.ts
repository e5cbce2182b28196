// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";

/** Lies between the pieces that a table of contents is cut into: entries, but for the first piece and the last. */
export const separator = '},{"type":"';
const offsets = /"(offset|endOffset)":(\d{1,15})(?=[,}]|$)/g;
const separatorBytes = Buffer.from(separator);
const endKey = Buffer.from('"endO');
const offsetName = Buffer.from('ffset":');

/** Refuses a delta. */
export function refuse(problem: string): never {
  throw new DowelError("ZSTD_CHUNKED_INVALID", `Delta of a table of contents: ${problem}`);
}

/** A piece with its offsets counted from the first of them, which is `base`. */
export function shapeOf(piece: string): { readonly shape: string; readonly base: number | undefined } {
  let base: number | undefined;
  const shape = piece.replace(offsets, (_, key: string, digits: string) => {
    base ??= Number(digits);
    return `"${key}":${Number(digits) - base}`;
  });
  return { shape, base };
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

/** A table of contents as pieces, without a string for each. */
export class Table {
  readonly #json: Buffer;
  /** Where pieces begin; behind the last, where one more would. */
  readonly #starts: number[] = [0];

  constructor(json: Uint8Array) {
    this.#json = Buffer.from(json.buffer, json.byteOffset, json.byteLength);
    for (let at = this.#json.indexOf(separatorBytes); at >= 0; at = this.#json.indexOf(separatorBytes, at + 1)) {
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
export class Result {
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
