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
  const digestOf = (at: number): number => (data[at] ?? 0) + areaDigestAt;
  const firsts = new DigestTable(bytes, count, digestOf);
  const owners: number[] = [];
  /** For each file the first inode with the same object. */
  const firstOf = new Int32Array(count);
  for (let at = 0; at < count; at++) {
    if (kinds[at] !== plainKinds.file) continue;
    const first = firsts.intern(at);
    firstOf[at] = first;
    if (first === at || shared[first] !== -1) continue;
    shared[first] = 0;
    owners.push(first);
  }
  owners.sort((left, right) => {
    const [a, b] = [digestOf(left), digestOf(right)];
    return bytes.compare(bytes, a, a + digestBytes, b, b + digestBytes);
  });
  for (const [number, owner] of owners.entries()) shared[owner] = number;
  for (let at = 0; at < count; at++) {
    if (kinds[at] === plainKinds.file) shared[at] = shared[firstOf[at] ?? at] ?? -1;
  }
  return { shared, owners, find: (digest) => firsts.find(Buffer.from(digest, "hex")) };
}

/** Inodes by digests that lie in some bytes; the first word of a digest is as good as any hash of it. */
class DigestTable {
  readonly #bytes: Buffer;
  readonly #placeOf: (inode: number) => number;
  readonly #slots: Int32Array;

  /** For at most `most` of them; `placeOf` says where the digest of an inode is. */
  constructor(bytes: Buffer, most: number, placeOf: (inode: number) => number) {
    this.#bytes = bytes;
    this.#placeOf = placeOf;
    this.#slots = new Int32Array(2 ** Math.ceil(Math.log2(2 * most + 2)));
  }

  /** The inode that was the first with the digest of an inode, perhaps that one. */
  intern(inode: number): number {
    const slot = this.#slotOf(this.#bytes, this.#placeOf(inode));
    this.#slots[slot] ||= inode + 1;
    return (this.#slots[slot] ?? 0) - 1;
  }

  find(digest: Buffer): number | undefined {
    const found = this.#slots[this.#slotOf(digest, 0)] ?? 0;
    return found === 0 ? undefined : found - 1;
  }

  /** Where the digest at a place of some bytes is, or would be. */
  #slotOf(bytes: Buffer, place: number): number {
    const mask = this.#slots.length - 1;
    let slot = bytes.readUInt32LE(place) & mask;
    for (let found = this.#slots[slot] ?? 0; found !== 0; found = this.#slots[slot] ?? 0) {
      if (this.#isSame(bytes, place, this.#placeOf(found - 1))) break;
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  #isSame(bytes: Buffer, place: number, known: number): boolean {
    for (let at = 0; at < digestBytes; at++) if (bytes[place + at] !== this.#bytes[known + at]) return false;
    return true;
  }
}
