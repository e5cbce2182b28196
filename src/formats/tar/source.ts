// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";

/**
 * Takes bytes off a stream of chunks. `take` never waits and never copies; the other methods wait where the current
 * chunk is used up, and copy only what spans two chunks.
 */
export class ByteSource {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array(0);
  #at = 0;
  #before = 0;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** How many bytes have been taken so far. */
  get offset(): number {
    return this.#before + this.#at;
  }

  /** `length` bytes where the current chunk has them all, else undefined. */
  take(length: number): Uint8Array | undefined {
    const end = this.#at + length;
    if (end > this.#chunk.length) return undefined;
    const bytes = this.#chunk.subarray(this.#at, end);
    this.#at = end;
    return bytes;
  }

  /** From 1 to `most` bytes, without copying; undefined at the end of the stream. */
  async some(most: number): Promise<Uint8Array | undefined> {
    while (this.#at === this.#chunk.length) {
      const next = await this.#chunks.next();
      if (next.done === true) return undefined;
      this.#before += this.#chunk.length;
      this.#chunk = next.value;
      this.#at = 0;
    }
    return this.take(Math.min(most, this.#chunk.length - this.#at));
  }

  /** Exactly `length` bytes; undefined where the stream ends before the first of them. */
  async read(length: number, what: string): Promise<Uint8Array | undefined> {
    const start = this.offset;
    const first = await this.some(length);
    if (first === undefined || first.length === length) return length === 0 ? new Uint8Array(0) : first;
    const bytes = new Uint8Array(length);
    bytes.set(first);
    for (let have = first.length; have < length; ) {
      const more = await this.some(length - have);
      if (more === undefined) throw cutShort(start, what);
      bytes.set(more, have);
      have += more.length;
    }
    return bytes;
  }

  async skip(length: number, what: string): Promise<void> {
    const start = this.offset;
    for (let rest = length; rest > 0; ) {
      const bytes = await this.some(rest);
      if (bytes === undefined) throw cutShort(start, what);
      rest -= bytes.length;
    }
  }

  /** Tells the stream that no more is wanted. */
  async close(): Promise<void> {
    await this.#chunks.return?.();
  }
}

export function cutShort(offset: number, what: string): DowelError {
  return new DowelError("TRANSFER_INCOMPLETE", `tar archive, offset ${offset}: the archive ends inside ${what}`);
}
