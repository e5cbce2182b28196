// SPDX-License-Identifier: Apache-2.0
import { type PlainTable, plainKinds } from "./plain-table.ts";
import { areaDigestAt } from "./plain-xattrs.ts";

const digestBytes = 32;

/** The objects that several files have: their xattrs are shared. */
interface SharedObjects {
  /** For each inode the number of its shared xattrs; -1 where it has none. */
  readonly shared: Int32Array;
  /** For each number the first inode that has them; the order is that of the digests, from the last. */
  readonly owners: readonly number[];
  /** The first file with the object of a digest (64 hexadecimal digits). */
  readonly find: (digest: string) => number | undefined;
}

/** Finds out which objects several files have. */
export function countUses(table: PlainTable): SharedObjects {
  const { count, kinds, data, bytes } = table;
  const shared = new Int32Array(count).fill(-1);
  const firsts = new DigestTable(table);
  const owners: number[] = [];
  /** Of the files that are not the first with their object, that one. */
  const firstOf: number[] = [];
  const others: number[] = [];
  for (let at = 0; at < count; at++) {
    if (kinds[at] !== plainKinds.file) continue;
    const first = firsts.intern(at);
    if (first === at) continue;
    others.push(at);
    firstOf.push(first);
    if (shared[first] !== -1) continue;
    shared[first] = 0;
    owners.push(first);
  }
  owners.sort((left, right) => {
    const [a, b] = [(data[left] ?? 0) + areaDigestAt, (data[right] ?? 0) + areaDigestAt];
    return bytes.compare(bytes, a, a + digestBytes, b, b + digestBytes);
  });
  for (const [number, owner] of owners.entries()) shared[owner] = number;
  for (const [at, other] of others.entries()) shared[other] = shared[firstOf[at] ?? other] ?? -1;
  return { shared, owners, find: (digest) => firsts.find(Buffer.from(digest, "hex")) };
}

/** Files by the digests of their objects; the first word of a digest is as good as any hash of it. */
class DigestTable {
  /** Areas lie at multiples of four, and the digests in them. */
  readonly #words: Uint32Array;
  readonly #data: Uint32Array;
  readonly #slots: Int32Array;

  constructor({ bytes, data, count }: PlainTable) {
    this.#words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
    this.#data = data;
    this.#slots = new Int32Array(2 ** Math.ceil(Math.log2(2 * count + 2)));
  }

  /** The inode that was the first with the digest of an inode, perhaps that one. */
  intern(inode: number): number {
    const [words, data, slots] = [this.#words, this.#data, this.#slots];
    const mask = slots.length - 1;
    const place = ((data[inode] ?? 0) + areaDigestAt) >>> 2;
    for (let slot = (words[place] ?? 0) & mask; ; slot = (slot + 1) & mask) {
      const found = (slots[slot] ?? 0) - 1;
      if (found < 0) {
        slots[slot] = inode + 1;
        return inode;
      }
      if (isSame(words, place, words, ((data[found] ?? 0) + areaDigestAt) >>> 2)) return found;
    }
  }

  find(digest: Buffer): number | undefined {
    if (digest.length !== digestBytes) return undefined;
    const wanted = Uint32Array.from({ length: digestBytes / 4 }, (_, at) => digest.readUInt32LE(4 * at));
    const mask = this.#slots.length - 1;
    for (let slot = (wanted[0] ?? 0) & mask; ; slot = (slot + 1) & mask) {
      const found = (this.#slots[slot] ?? 0) - 1;
      if (found < 0) return undefined;
      if (isSame(wanted, 0, this.#words, ((this.#data[found] ?? 0) + areaDigestAt) >>> 2)) return found;
    }
  }
}

function isSame(left: Uint32Array, from: number, right: Uint32Array, place: number): boolean {
  for (let at = 0; at < digestBytes / 4; at++) if (left[from + at] !== right[place + at]) return false;
  return true;
}
