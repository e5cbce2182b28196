// SPDX-License-Identifier: Apache-2.0

/**
 * CRC-64 of ISO 3309 as Go's hash/crc64 has it (polynomial x^64 + x^4 + x^3 + x + 1, reflected, inverted at both
 * ends), which tar-split writes for each body. The low powers of the polynomial are so few that 32 bits can be taken
 * at once with shifts alone: none of their remainders reaches the next 32 bits.
 */
export class Crc64 {
  #low = -1;
  #high = -1;
  /** Bytes that do not fill a word yet. */
  readonly #rest = new Uint8Array(4);
  #have = 0;

  update(bytes: Uint8Array): this {
    let at = 0;
    while (this.#have > 0 && at < bytes.length) this.#byte(bytes[at++] ?? 0);
    const words = (bytes.length - at) >> 2;
    let low = this.#low;
    let high = this.#high;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (const end = at + 4 * words; at < end; at += 4) {
      const word = low ^ view.getInt32(at, true);
      low = high ^ (word << 31) ^ (word << 29) ^ (word << 28);
      high = word ^ (word >>> 1) ^ (word >>> 3) ^ (word >>> 4);
    }
    this.#low = low;
    this.#high = high;
    while (at < bytes.length) this.#byte(bytes[at++] ?? 0);
    return this;
  }

  /** The 8 bytes of the sum, the highest first. */
  digest(): Uint8Array {
    let low = this.#low;
    let high = this.#high;
    for (const byte of this.#rest.subarray(0, this.#have)) {
      const last = (low ^ byte) & 0xff;
      low = (low >>> 8) | (high << 24);
      high = (high >>> 8) ^ (last << 24) ^ (last << 23) ^ (last << 21) ^ (last << 20);
    }
    const sum = new Uint8Array(8);
    const view = new DataView(sum.buffer);
    view.setInt32(0, ~high);
    view.setInt32(4, ~low);
    return sum;
  }

  #byte(byte: number): void {
    this.#rest[this.#have++] = byte;
    if (this.#have < 4) return;
    this.#have = 0;
    this.update(this.#rest);
  }
}
