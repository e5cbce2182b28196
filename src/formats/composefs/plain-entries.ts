// SPDX-License-Identifier: Apache-2.0
import type { PlainTable } from "./plain-table.ts";

const dot = 0x2e;
/** Stand for `..` and `.` among the entries of a folder. */
const parentEntry = -1;
export const ownEntry = -2;

/** The entries of one folder at a time, in the byte order of the names, with the two that every folder has. */
export class PlainEntries {
  readonly #table: PlainTable;
  #inodes = new Int32Array(64);
  #count = 0;

  constructor(table: PlainTable) {
    this.#table = table;
  }

  /** Reads those of a folder. */
  read(folder: number): void {
    const first = this.#table.firsts[folder] ?? 0;
    const children = this.#table.children[folder] ?? 0;
    if (children + 2 > this.#inodes.length) this.#inodes = new Int32Array(2 * children + 2);
    let dots = 0;
    let count = 0;
    for (let child = first; child < first + children; child++) {
      while (dots < 2 && this.#isBehindDots(child, dots + 1))
        this.#inodes[count++] = dots++ === 0 ? ownEntry : parentEntry;
      this.#inodes[count++] = child;
    }
    while (dots < 2) this.#inodes[count++] = dots++ === 0 ? ownEntry : parentEntry;
    this.#count = count;
  }

  get count(): number {
    return this.#count;
  }

  /** The number of the inode that an entry leads to, `ownEntry` or `parentEntry`. */
  inode(at: number): number {
    return this.#inodes[at] ?? ownEntry;
  }

  nameSize(at: number): number {
    const inode = this.inode(at);
    return inode < 0 ? inode + 3 : (this.#table.nameSizes[inode] ?? 0);
  }

  /** Whether a name comes behind that of so many dots. No name is one of these. */
  #isBehindDots(inode: number, dots: number): boolean {
    const { bytes, names, nameSizes } = this.#table;
    const start = names[inode] ?? 0;
    const size = nameSizes[inode] ?? 0;
    for (let at = 0; at < dots; at++) {
      if (at === size) return false;
      const byte = bytes[start + at] ?? 0;
      if (byte !== dot) return byte > dot;
    }
    return size > dots;
  }
}
