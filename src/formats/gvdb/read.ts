// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { decodeUtf8 } from "../../base/text.ts";
import type { Variant } from "../dbus/types.ts";
import { readVariant } from "../gvariant/read.ts";
import { bloomWordsMask, type GvdbTable, hashOf, headerBytes, itemBytes, noParent, signature } from "./layout.ts";

const depthLimit = 4;

class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #little: boolean;
  /** No byte need be part of two things, so all together are at most the file; else a small file could say endless much. */
  #left: number;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#left = bytes.length;
    if (bytes.length < headerBytes) throw this.#invalid(0, `a header of ${headerBytes} bytes`);
    this.#little = this.#view.getUint32(0, true) === signature[0];
    if (this.#u32(0) !== signature[0] || this.#u32(4) !== signature[1]) throw this.#invalid(0, "'GVariant'");
    if (this.#u32(8) !== 0) throw this.#invalid(8, "version 0");
  }

  #invalid(offset: number, expected: string): DowelError {
    return new DowelError("GVDB_INVALID", `Cannot read the table: at offset ${offset} there must be ${expected}`);
  }

  #u32(at: number): number {
    return this.#view.getUint32(at, this.#little);
  }

  /** The range that two numbers name. */
  #range(at: number, alignment: number): readonly [start: number, end: number] {
    const [start, end] = [this.#u32(at), this.#u32(at + 4)];
    if (start > end || end > this.#bytes.length) throw this.#invalid(at, "a range within the file");
    if (start % alignment !== 0) throw this.#invalid(at, `a range that is aligned to ${alignment}`);
    this.#spend(at, end - start);
    return [start, end];
  }

  #spend(at: number, bytes: number): void {
    this.#left -= bytes;
    if (this.#left < 0) throw this.#invalid(at, "a range that is no part of others");
  }

  #key(item: number): string {
    const [hash, parent, start] = [this.#u32(item), this.#u32(item + 4), this.#u32(item + 8)];
    const size = this.#view.getUint16(item + 12, this.#little);
    if (parent !== noParent) throw this.#invalid(item + 4, "a key without parent");
    if (start + size > this.#bytes.length) throw this.#invalid(item + 8, "a key within the file");
    this.#spend(item + 8, size);
    const bytes = this.#bytes.subarray(start, start + size);
    const key = decodeUtf8(bytes);
    if (key === undefined || key.includes("\0")) throw this.#invalid(start, "a key in UTF-8");
    if (hashOf(bytes) !== hash) throw this.#invalid(item, "the hash of the key");
    return key;
  }

  #item(item: number, depth: number): Variant | GvdbTable<Variant> {
    const kind = String.fromCharCode(this.#bytes[item + 14] ?? 0);
    if (kind === "H") return this.table(item + 16, depth + 1);
    if (kind !== "v") throw this.#invalid(item + 14, "a value or a table");
    const [start, end] = this.#range(item + 16, 8);
    // Of its own, so that it is aligned.
    return readVariant(this.#bytes.slice(start, end), this.#little);
  }

  table(at: number, depth: number): GvdbTable<Variant> {
    if (depth > depthLimit) throw this.#invalid(at, `at most ${depthLimit} tables in each other`);
    const [start, end] = this.#range(at, 4);
    const result = new Map<string, Variant | GvdbTable<Variant>>();
    if (end - start < 8) throw this.#invalid(start, "a hash table");
    const [bloom, buckets] = [this.#u32(start) & bloomWordsMask, this.#u32(start + 4)];
    const items = start + 8 + 4 * (bloom + buckets);
    if (items > end || (end - items) % itemBytes !== 0) throw this.#invalid(start, "a hash table of its size");
    for (let item = items; item < end; item += itemBytes) {
      const key = this.#key(item);
      if (result.has(key)) throw this.#invalid(item, "each key once");
      result.set(key, this.#item(item, depth));
    }
    return result;
  }

  get root(): GvdbTable<Variant> {
    return this.table(16, 1);
  }
}

/**
 * Reads a whole file, of either byte order: what its root table has. Stricter than GLib, which takes what it can: ranges
 * that overlap, keys twice, wrong hashes and values not in normal form are refused. Throws `GVDB_INVALID` or `GVARIANT_INVALID`.
 */
export function readGvdb(bytes: Uint8Array): GvdbTable<Variant> {
  return new Reader(bytes).root;
}
