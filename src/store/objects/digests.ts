// SPDX-License-Identifier: Apache-2.0

/**
 * Many digests in eight bytes each: their first 48 bits, sorted. Two digests may share them, so `count` may be too large,
 * never too small: what counts as unused is unused.
 */
export class DigestTable {
  #keys = new Float64Array(1024);
  #length = 0;
  #sorted = true;

  add(digest: string): void {
    if (this.#length === this.#keys.length) {
      const larger = new Float64Array(this.#keys.length * 2);
      larger.set(this.#keys);
      this.#keys = larger;
    }
    this.#keys[this.#length++] = keyOf(digest);
    this.#sorted = false;
  }

  /** Leaves each digest in the table once. */
  dropDoubles(): void {
    this.#sort();
    let kept = 0;
    for (let at = 0; at < this.#length; at++) {
      if (at === 0 || this.#keys[at] !== this.#keys[at - 1]) this.#keys[kept++] = this.#keys[at] ?? 0;
    }
    this.#length = kept;
  }

  addAll(other: DigestTable): void {
    const total = this.#length + other.#length;
    if (total > this.#keys.length) {
      const larger = new Float64Array(total * 2);
      larger.set(this.#keys.subarray(0, this.#length));
      this.#keys = larger;
    }
    this.#keys.set(other.#keys.subarray(0, other.#length), this.#length);
    this.#length = total;
    this.#sorted = false;
  }

  has(digest: string): boolean {
    return this.count(digest) > 0;
  }

  /** How often a digest was added; two means twice or more. */
  count(digest: string): 0 | 1 | 2 {
    this.#sort();
    const key = keyOf(digest);
    let low = 0;
    let high = this.#length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#keys[middle] ?? 0) < key) low = middle + 1;
      else high = middle;
    }
    if (low >= this.#length || this.#keys[low] !== key) return 0;
    return low + 1 < this.#length && this.#keys[low + 1] === key ? 2 : 1;
  }

  #sort(): void {
    if (!this.#sorted) this.#keys.subarray(0, this.#length).sort();
    this.#sorted = true;
  }
}

function keyOf(digest: string): number {
  return Number.parseInt(digest.slice(0, 12), 16);
}
