// SPDX-License-Identifier: Apache-2.0
import { packZstd, packZstdAside } from "../../sys/zstd.ts";
import { type Placed, skippableHeader, skippableHeaderBytes } from "./annotations.ts";

/** Is told where in the blob something came to be: first byte, and first byte behind it. */
export type OnPlaced = (start: number, end: number) => void;

/** Smaller contents are packed in less time than another thread takes to begin. */
const leastAside = 16 * 1024;
/** Bytes of contents that may be with other threads. */
const mostAside = 8 * 1024 * 1024;

interface Part {
  readonly packed: Uint8Array | Promise<Uint8Array>;
  readonly unpackedSize: number;
  readonly onPlaced: OnPlaced | undefined;
}

/** Gathers the blob, and knows where in it everything is. Frames are packed by several threads and come in order. */
export class Output {
  readonly #level: number;
  #queue: Part[] = [];
  #aside = 0;
  #size = 0;
  #parts: Uint8Array[] = [];
  #waiting = 0;

  constructor(level: number) {
    this.#level = level;
  }

  /** Adds bytes as a frame. Their owner may write to them again. */
  pack(bytes: Uint8Array, onPlaced?: OnPlaced): void {
    const aside = bytes.length >= leastAside;
    const packed = aside ? packZstdAside(new Uint8Array(bytes), this.#level) : packZstd(bytes, this.#level);
    // where the writing ends with another error nobody waits for it
    if (packed instanceof Promise) packed.catch(() => undefined);
    this.#aside += bytes.length;
    this.#queue.push({ packed, unpackedSize: bytes.length, onPlaced });
  }

  /** Adds a frame that decoders pass over; tells where what it holds is. Everything before must have been taken. */
  skippable(parts: readonly Uint8Array[], unpackedSize: number): Placed {
    const size = parts.reduce((sum, part) => sum + part.length, 0);
    const offset = this.#add(skippableHeader(size)).start + skippableHeaderBytes;
    for (const part of parts) this.#add(part);
    return { offset, size, unpackedSize };
  }

  /** What has been gathered, where that is more than `least` bytes; waits where too much is with other threads. */
  async *take(least: number): AsyncGenerator<Uint8Array> {
    await this.#collect(least === 0 ? 0 : mostAside);
    if (this.#waiting <= least) return;
    const bytes = Buffer.concat(this.#parts, this.#waiting);
    this.#parts = [];
    this.#waiting = 0;
    yield bytes;
  }

  async #collect(most: number): Promise<void> {
    if (this.#aside <= most) return;
    let done = 0;
    for (const { packed, unpackedSize, onPlaced } of this.#queue) {
      if (this.#aside <= most / 2) break;
      const { start, end } = this.#add(packed instanceof Promise ? await packed : packed);
      onPlaced?.(start, end);
      this.#aside -= unpackedSize;
      done += 1;
    }
    this.#queue = this.#queue.slice(done);
  }

  #add(bytes: Uint8Array): { start: number; end: number } {
    const start = this.#size;
    this.#parts.push(bytes);
    this.#waiting += bytes.length;
    this.#size += bytes.length;
    return { start, end: this.#size };
  }
}
