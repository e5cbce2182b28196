// SPDX-License-Identifier: Apache-2.0
import type { TarEntry } from "../tar/entry.ts";
import type { BodyFacts } from "./batch.ts";
import type { TarSplitEntry } from "./tarsplit.ts";
import type { TocChunk, TocEntry } from "./toc.ts";

type Open<T> = { -readonly [Key in keyof T]: T[Key] };

interface Noted {
  readonly entry: TarEntry;
  readonly toc: Open<TocEntry>;
  /** The archive from the body before to its own. */
  readonly between: Uint8Array;
}

/** Is told of each entry, in order, when all is known of it; of one with a body also what that is. */
export type OnEntry = (entry: TarEntry, body: BodyFacts | undefined) => void;

/** Keeps what is said of a layer until all is known: digests and places come later than the entries that they belong to. */
export class Ledger {
  readonly #split: (entry: TarSplitEntry) => void;
  readonly #onEntry: OnEntry | undefined;
  readonly #entries: TocEntry[] = [];
  /** Entries of which something is not known, or which come after such. */
  #waiting: Noted[] = [];
  /** What each frame of the archive holds; undefined for what is between bodies. */
  readonly #frames: (Open<TocChunk> | undefined)[] = [];
  #digested = 0;
  #placed = 0;
  #size = 0;

  /** `split` takes the tar-split data of the entries. */
  constructor(split: (entry: TarSplitEntry) => void, onEntry: OnEntry | undefined) {
    this.#split = split;
    this.#onEntry = onEntry;
  }

  /** All that were noted. */
  get entries(): readonly TocEntry[] {
    return this.#entries;
  }

  /** Bytes of the frames whose places are known. */
  get size(): number {
    return this.#size;
  }

  /** Notes a frame that holds no part of a body. */
  noteFrame(): void {
    this.#frames.push(undefined);
  }

  /** Notes a chunk, which is a frame too. */
  noteChunk(offset: number, size: number, hole: boolean): TocChunk {
    const chunk = { offset, size, digest: "", start: 0, end: 0, hole };
    this.#frames.push(chunk);
    return chunk;
  }

  /** Notes an entry whose chunks have been noted, with what the archive has between the body before and its own. */
  note(entry: TarEntry, toc: TocEntry, between: Uint8Array): void {
    this.#entries.push(toc);
    this.#waiting.push({ entry, toc, between });
    if (this.#waiting.length === 1 && toc.size === 0) this.#settle([]);
  }

  /** Takes digests of the next chunks and bodies. */
  digested(chunks: readonly string[], bodies: readonly BodyFacts[]): void {
    for (const digest of chunks) {
      while (this.#frames[this.#digested] === undefined) this.#digested++;
      const chunk = this.#frames[this.#digested++];
      if (chunk !== undefined) chunk.digest = `sha256:${digest}`;
    }
    this.#settle(bodies);
  }

  /** Takes the sizes of the next frames. */
  packed(sizes: readonly number[]): void {
    for (const size of sizes) {
      const chunk = this.#frames[this.#placed++];
      if (chunk !== undefined) chunk.start = this.#size;
      this.#size += size;
      if (chunk !== undefined) chunk.end = this.#size;
    }
  }

  /** Passes on the entries of which all is known now. */
  #settle(bodies: readonly BodyFacts[]): void {
    let [known, done] = [0, 0];
    for (const { entry, toc, between } of this.#waiting) {
      const body = toc.size === 0 ? undefined : bodies[known++];
      if (toc.size > 0 && body === undefined) break;
      if (body !== undefined) toc.digest = `sha256:${body.sha256}`;
      this.#split({ kind: "bytes", bytes: between });
      this.#split({ kind: "body", path: toc.path, size: toc.size, crc: body?.crc });
      this.#onEntry?.(entry, body);
      done += 1;
    }
    this.#waiting = this.#waiting.slice(done);
  }
}
