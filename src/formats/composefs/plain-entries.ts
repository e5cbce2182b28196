// SPDX-License-Identifier: Apache-2.0
import type { PlainTable } from "./plain-table.ts";

const dot = 0x2e;
/** Stand for `..` and `.` among the entries of a folder. */
export const parentEntry = -1;
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
    const inodes = this.#inodes;
    let child = first;
    let count = 0;
    for (let dots = 0; dots < 2; dots++) {
      while (child < first + children && !this.#isBehindDots(child, dots + 1)) inodes[count++] = child++;
      inodes[count++] = dots === 0 ? ownEntry : parentEntry;
    }
    while (child < first + children) inodes[count++] = child++;
    this.#count = count;
  }

  /** The numbers of the inodes that the entries lead to, `ownEntry` or `parentEntry`; the first `count` count. */
  get inodes(): Int32Array {
    return this.#inodes;
  }

  get count(): number {
    return this.#count;
  }

  nameSize(at: number): number {
    const inode = this.#inodes[at] ?? ownEntry;
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
