// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";

export function invalidDelta(reason: string): DowelError {
  return new DowelError("DELTA_INVALID", `Delta: ${reason}`);
}

/** Takes bytes and numbers from a stream. A stream that ends within one of them is `DELTA_INVALID`. */
export class DeltaReader implements AsyncDisposable {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array(0);
  #at = 0;

  constructor(stream: AsyncIterable<Uint8Array>) {
    this.#chunks = stream[Symbol.asyncIterator]();
  }

  /** Whether there are bytes left. */
  async more(): Promise<boolean> {
    while (this.#at === this.#chunk.length) {
      const next = await this.#chunks.next();
      if (next.done === true) return false;
      this.#chunk = next.value;
      this.#at = 0;
    }
    return true;
  }

  /** At least one byte and at most so many, as they lie in memory. */
  async some(most: number): Promise<Uint8Array> {
    if (!(await this.more())) throw invalidDelta("it ends too early");
    const bytes = this.#chunk.subarray(this.#at, this.#at + most);
    this.#at += bytes.length;
    return bytes;
  }

  async byte(): Promise<number> {
    const [value = 0] = await this.some(1);
    return value;
  }

  /** A number in groups of seven bits, the lowest first. */
  async number(): Promise<number> {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = await this.byte();
      value += (byte & 0x7f) * scale;
      if (!Number.isSafeInteger(value)) throw invalidDelta("a number is too large");
      if (byte < 0x80) return value;
    }
  }

  async text(length: number): Promise<string> {
    const parts: Uint8Array[] = [];
    for (let left = length; left > 0; ) {
      const part = await this.some(left);
      parts.push(part);
      left -= part.length;
    }
    return Buffer.concat(parts).toString("utf8");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#chunks.return?.();
  }
}
