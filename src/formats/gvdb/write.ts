// SPDX-License-Identifier: Apache-2.0
import type { Variant } from "../dbus/types.ts";
import { writeVariant } from "../gvariant/write.ts";
import { type GvdbTable, hashOf, headerBytes, itemBytes, noParent, signature } from "./layout.ts";

interface Entry {
  readonly key: Buffer;
  readonly hash: number;
  readonly value: Variant | GvdbTable<Variant>;
}

/** What is written so far; offsets count from the start of the file. */
class Writer {
  readonly #pieces: Buffer[] = [];
  #at = headerBytes;

  /** Answers where the bytes come to lie. */
  #put(bytes: Buffer, alignment: number): readonly [start: number, end: number] {
    const padding = (alignment - (this.#at % alignment)) % alignment;
    this.#pieces.push(Buffer.alloc(padding), bytes);
    const start = this.#at + padding;
    this.#at = start + bytes.length;
    return [start, this.#at];
  }

  #item({ key, hash, value }: Entry): Buffer {
    const isTable = value instanceof Map;
    const [start, end] = isTable ? this.table(value) : this.#put(writeVariant(value as Variant), 8);
    const [keyStart] = this.#put(key, 1);
    const item = Buffer.alloc(itemBytes);
    item.writeUInt32LE(hash, 0);
    item.writeUInt32LE(noParent, 4);
    item.writeUInt32LE(keyStart, 8);
    item.writeUInt16LE(key.length, 12);
    item.write(isTable ? "H" : "v", 14, "latin1");
    item.writeUInt32LE(start, 16);
    item.writeUInt32LE(end, 20);
    return item;
  }

  /** As many buckets as entries, and no bloom filter. */
  table(table: GvdbTable<Variant>): readonly [start: number, end: number] {
    const count = table.size;
    const buckets = Array.from({ length: count }, (): Entry[] => []);
    for (const [name, value] of table) {
      const key = Buffer.from(name);
      const hash = hashOf(key);
      buckets[hash % count]?.push({ key, hash, value });
    }
    const head = Buffer.alloc(8 + 4 * count);
    head.writeUInt32LE(count, 4);
    let first = 0;
    for (const [index, bucket] of buckets.entries()) {
      head.writeUInt32LE(first, 8 + 4 * index);
      first += bucket.length;
    }
    const items = buckets.flat().map((entry) => this.#item(entry));
    return this.#put(Buffer.concat([head, ...items]), 4);
  }

  finish([start, end]: readonly [start: number, end: number]): Buffer {
    const header = Buffer.alloc(headerBytes);
    header.writeUInt32LE(signature[0], 0);
    header.writeUInt32LE(signature[1], 4);
    header.writeUInt32LE(start, 16);
    header.writeUInt32LE(end, 20);
    return Buffer.concat([header, ...this.#pieces]);
  }
}

/** The bytes of a file whose root table has this; little endian. A key has at most 65535 bytes. */
export function writeGvdb(root: GvdbTable<Variant>): Buffer {
  const writer = new Writer();
  return writer.finish(writer.table(root));
}
