// SPDX-License-Identifier: Apache-2.0
import { createHash, hash } from "node:crypto";
import { DowelError } from "../../base/errors.ts";
import type { TarEntry } from "../tar/entry.ts";
import type { TarInput } from "../tar/write.ts";
import { Chunker, type ChunkSink } from "./chunker.ts";
import { Crc64 } from "./crc64.ts";
import type { OnPlaced } from "./output.ts";
import type { TocChunk } from "./toc.ts";

/** Longer chunks, where nothing in the content ends them, are cut here: a chunk must fit into memory. */
const maxChunkBytes = 16 * 1024 * 1024;

/** Packs a chunk, and says later where in the blob it is. */
export type PlaceChunk = (content: Uint8Array, onPlaced: OnPlaced) => void;

interface WrittenBody {
  readonly digest: string;
  readonly crc: Uint8Array;
  readonly chunks: readonly TocChunk[];
}

/**
 * Cuts the body of one file, which is not empty, into chunks and places them. It yields between
 * two pieces of the body, so that the caller can pass on what has been placed. Throws IO where the body has another size than its entry says.
 */
export async function* writeBody(
  entry: TarEntry,
  body: TarInput["body"],
  place: PlaceChunk,
  seen: (bytes: Uint8Array) => void,
): AsyncGenerator<undefined, WrittenBody> {
  const writer = new BodyWriter(entry, place);
  if (body instanceof Uint8Array) {
    seen(body);
    writer.push(body);
  } else {
    for await (const piece of body ?? []) {
      seen(piece);
      writer.push(piece);
      writer.keep();
      yield undefined;
    }
  }
  return writer.finish();
}

class BodyWriter implements ChunkSink {
  readonly #entry: TarEntry;
  readonly #place: PlaceChunk;
  readonly #chunker = new Chunker(this);
  readonly #crc = new Crc64();
  readonly #hash = createHash("sha256");
  readonly #chunks: TocChunk[] = [];
  #size = 0;
  /** Where the current chunk starts, and what it has so far; the first `#kept` of it are copies. */
  #offset = 0;
  #parts: Uint8Array[] = [];
  #partsSize = 0;
  #kept = 0;

  constructor(entry: TarEntry, place: PlaceChunk) {
    this.#entry = entry;
    this.#place = place;
  }

  push(bytes: Uint8Array): void {
    this.#size += bytes.length;
    if (this.#size > this.#entry.size) this.#changed();
    this.#crc.update(bytes);
    this.#chunker.push(bytes);
  }

  /** Copies what it still needs of the last bytes, whose owner may write to them again. */
  keep(): void {
    for (; this.#kept < this.#parts.length; this.#kept++) {
      const part = this.#parts[this.#kept];
      if (part !== undefined) this.#parts[this.#kept] = new Uint8Array(part);
    }
  }

  finish(): WrittenBody {
    if (this.#size !== this.#entry.size) this.#changed();
    this.#chunker.finish();
    return { digest: `sha256:${this.#hash.digest("hex")}`, crc: this.#crc.digest(), chunks: this.#chunks };
  }

  data(bytes: Uint8Array, hole: boolean): void {
    for (let at = 0; at < bytes.length; ) {
      const part = bytes.subarray(at, at + maxChunkBytes - this.#partsSize);
      this.#parts.push(part);
      this.#partsSize += part.length;
      at += part.length;
      if (this.#partsSize === maxChunkBytes) this.cut(hole);
    }
  }

  cut(hole: boolean): void {
    if (this.#partsSize === 0) return;
    const [first = new Uint8Array(0)] = this.#parts;
    const content = this.#parts.length === 1 ? first : Buffer.concat(this.#parts, this.#partsSize);
    const size = this.#partsSize;
    const offset = this.#offset;
    this.#parts = [];
    this.#partsSize = 0;
    this.#kept = 0;
    this.#offset += size;
    this.#hash.update(content);
    const digest = offset === 0 ? this.#hash.copy().digest("hex") : hash("sha256", content, "hex");
    // a file of one chunk has nothing said of the chunk
    const only = offset === 0 && size === this.#entry.size;
    const chunk = { offset, size, digest: `sha256:${digest}`, start: 0, end: 0, hole: hole && !only };
    this.#chunks.push(chunk);
    this.#place(content, (start, end) => {
      chunk.start = start;
      chunk.end = end;
    });
  }

  #changed(): never {
    const { path, size } = this.#entry;
    throw new DowelError("IO", `${path} changed while it was read: it must have ${size} bytes`);
  }
}
