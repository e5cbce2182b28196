// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import type { TarEntry } from "../tar/entry.ts";
import type { Assembly } from "./assembly.ts";
import { pieceFlag } from "./batch.ts";
import { Chunker, type ChunkSink } from "./chunker.ts";
import type { Ledger } from "./ledger.ts";
import type { TocChunk } from "./toc.ts";

/** Longer chunks, where nothing in the content ends them, are cut here: a chunk must fit into memory. */
const maxChunkBytes = 16 * 1024 * 1024;

/** Cuts the body of one file, which is not empty, into chunks, and puts them into the archive. */
export class BodyWriter implements ChunkSink {
  readonly #entry: TarEntry;
  readonly #assembly: Assembly;
  readonly #chunker = new Chunker(this);
  readonly #ledger: Ledger;
  readonly #chunks: TocChunk[] = [];
  #size = 0;
  /** Where the current chunk starts, and how long it is so far. */
  #offset = 0;
  #length = 0;

  constructor(entry: TarEntry, assembly: Assembly, ledger: Ledger) {
    this.#entry = entry;
    this.#assembly = assembly;
    this.#ledger = ledger;
  }

  /** Takes the next bytes, which stay the caller's. Throws IO where there are more than the entry says. */
  push(bytes: Uint8Array): void {
    this.#size += bytes.length;
    if (this.#size > this.#entry.size) this.#changed();
    this.#chunker.push(bytes);
  }

  /** The chunks; what more there is to know of them comes with the ledger. Throws IO where the body is shorter than the entry says. */
  finish(): readonly TocChunk[] {
    if (this.#size !== this.#entry.size) this.#changed();
    this.#chunker.finish();
    this.#assembly.mark(pieceFlag.bodyEnd);
    return this.#chunks;
  }

  data(bytes: Uint8Array, hole: boolean): void {
    for (let at = 0; at < bytes.length; ) {
      const part = bytes.subarray(at, at + maxChunkBytes - this.#length);
      if (hole) this.#assembly.putZeros(part.length, pieceFlag.body);
      else this.#assembly.put(part, pieceFlag.body);
      this.#length += part.length;
      at += part.length;
      if (this.#length === maxChunkBytes) this.cut(hole);
    }
  }

  cut(hole: boolean): void {
    const size = this.#length;
    const offset = this.#offset;
    if (size === 0) return;
    this.#length = 0;
    this.#offset += size;
    this.#assembly.mark(pieceFlag.frameEnd);
    // a file of one chunk has nothing said of the chunk
    const isOnly = offset === 0 && size === this.#entry.size;
    this.#chunks.push(this.#ledger.noteChunk(offset, size, hole && !isOnly));
  }

  #changed(): never {
    const { path, size } = this.#entry;
    throw new DowelError("IO", `${path} changed while it was read: it must have ${size} bytes`);
  }
}
