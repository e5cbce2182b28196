// SPDX-License-Identifier: Apache-2.0
// GVDB, the tables of keys and GVariants that GLib programs keep on disk: a header, then hash tables, keys and values.

export const headerBytes = 24;
export const itemBytes = 24;
/** "GVariant" as two numbers of the file's byte order. */
export const signature = [0x72615647, 0x746e6169] as const;
/** In place of the item that a key is the rest of. */
export const noParent = 0xffffffff;
/** How many numbers of a bloom filter lie before a table's buckets; the bits above are its shift. */
export const bloomWordsMask = 0x07ffffff;

/** Bernstein's hash of a key's bytes, which count as signed. */
export function hashOf(key: Uint8Array): number {
  let hash = 5381;
  for (const byte of key) hash = (Math.imul(hash, 33) + (byte < 0x80 ? byte : byte - 0x100)) >>> 0;
  return hash;
}

/** Values, and tables in tables. */
export type GvdbTable<V> = ReadonlyMap<string, V | GvdbTable<V>>;
