// SPDX-License-Identifier: Apache-2.0
import { createHash, hash } from "node:crypto";
import { closeSync, readSync } from "node:fs";
import { fileError } from "../../base/errors.ts";
import type { Held } from "../../formats/zstd-chunked/plan.ts";
import type { TocEntry } from "../../formats/zstd-chunked/toc.ts";
import { openPlainFile } from "../../sys/plainfile.ts";
import type { FileContent } from "../image/tree.ts";
import type { ContentIndex } from "../objects/contents.ts";
import type { Ticket } from "../objects/intake.ts";
import type { ObjectStaging } from "../objects/staging.ts";
import { indexChunks } from "./tables.ts";

const readBytes = 1024 * 1024;
/** Stays in the cache of a processor. */
const scanBytes = 256 * 1024;

/** The contents of one layer by `sha256:HEX`: what was here before, and what has come. */
export class LayerContents implements Held {
  readonly #index: ContentIndex;
  readonly #staging: ObjectStaging;
  readonly #contents = new Map<string, FileContent>();
  /** Those that are being staged. */
  readonly #coming = new Map<string, { readonly entry: TocEntry; readonly ticket: Ticket }>();
  readonly #before = new Set<string>();
  /** What was looked for in vain: plans are made anew when files were patched. */
  readonly #missing = new Set<string>();
  #buffer = Buffer.allocUnsafeSlow(scanBytes);

  constructor(index: ContentIndex, staging: ObjectStaging) {
    this.#index = index;
    this.#staging = staging;
  }

  /** Whether the content is here, or comes. */
  file(digest: string): boolean {
    if (this.#contents.has(digest) || this.#coming.has(digest)) return true;
    if (this.#missing.has(digest)) return false;
    const content = this.#index.find(hexOf(digest));
    if (content === undefined || (content.inline === undefined && !this.#staging.has(content.digest, content.size))) {
      this.#missing.add(digest);
      return false;
    }
    this.#contents.set(digest, content);
    this.#before.add(digest);
    return true;
  }

  /** Whether an object holds the chunk; looks at its bytes. */
  chunk(digest: string): boolean {
    return this.heldChunk(digest) !== undefined;
  }

  /** The bytes of a chunk that is in an object; at most 16 MiB. */
  heldChunk(digest: string): Uint8Array | undefined {
    const part = this.#index.findChunk(hexOf(digest));
    if (part === undefined || part.size > 16 * readBytes || !this.#staging.has(part.object)) return undefined;
    const bytes = Buffer.concat([...readFile(this.#staging.pathOf(part.object), part.offset, part.size)]);
    return hash("sha256", bytes, "hex") === hexOf(digest) ? bytes : undefined;
  }

  get(digest: string): FileContent | undefined {
    return this.#contents.get(digest);
  }

  /** Counts a content in that has come. */
  put(entry: TocEntry, content: FileContent): void {
    const digest = entry.digest ?? "";
    this.#contents.set(digest, content);
    this.#index.addContent(hexOf(digest), content);
    indexChunks(this.#index, entry, content);
  }

  /** Whether the content is being staged: until `settle` nothing can be read of it. */
  isComing(digest: string): boolean {
    return this.#coming.has(digest);
  }

  /** Counts on a content that is being staged. */
  expect(entry: TocEntry, ticket: Ticket): void {
    this.#coming.set(entry.digest ?? "", { entry, ticket });
  }

  /** Waits until it is known of all contents which objects they are; they are not yet staged. Throws as `ObjectStaging.digested`. */
  async arrive(): Promise<void> {
    await this.#staging.digested();
    for (const { entry, ticket } of this.#coming.values())
      if (ticket.content !== undefined) this.put(entry, ticket.content);
    this.#coming.clear();
  }

  /** Waits until all contents are staged. Throws as `ObjectStaging.settle`. */
  async settle(): Promise<void> {
    await this.#staging.settle();
    await this.arrive();
  }

  /** Bytes of a content that is here. */
  *read(digest: string, offset: number, size: number): Generator<Uint8Array> {
    const content = this.#known(digest);
    const { inline } = content;
    if (inline !== undefined) yield inline.subarray(offset, offset + size);
    else if (size > 0) yield* readFile(this.#staging.pathOf(content.digest), offset, size);
  }

  /** A content that is here as a whole, in memory that the next look at one uses again; undefined where bytes are missing. */
  whole(digest: string): Uint8Array | undefined {
    const { inline, size, digest: object } = this.#known(digest);
    if (inline !== undefined || size === 0) return inline ?? new Uint8Array(0);
    if (size > this.#buffer.length) this.#buffer = Buffer.allocUnsafeSlow(size);
    const [bytes] = readFile(this.#staging.pathOf(object), 0, size, this.#buffer);
    return bytes?.length === size ? bytes : undefined;
  }

  /** All bytes of a content that is here, each part in the same memory as the one before. */
  *scan(digest: string): Generator<Uint8Array> {
    const { inline, size, digest: object } = this.#known(digest);
    if (inline !== undefined) yield inline;
    else if (size > 0) yield* readFile(this.#staging.pathOf(object), 0, size, this.#buffer);
  }

  #known(digest: string): FileContent {
    const content = this.#contents.get(digest);
    if (content === undefined) throw new Error(`${digest} is not here`);
    return content;
  }

  /** Forgets what was here before and is not what its name says; tells whether there was such. */
  forgetDamaged(): boolean {
    let found = false;
    for (const digest of this.#before) {
      const sum = createHash("sha256");
      for (const bytes of this.scan(digest)) sum.update(bytes);
      if (sum.digest("hex") === hexOf(digest)) continue;
      this.#index.forget(hexOf(digest));
      found = true;
    }
    return found;
  }
}

function hexOf(digest: string): string {
  return digest.slice("sha256:".length);
}

function* readFile(path: string, offset: number, size: number, shared?: Buffer): Generator<Uint8Array> {
  let fd: number | undefined;
  try {
    fd = openPlainFile(path);
    for (let at = 0; at < size; ) {
      const chunk = shared ?? Buffer.allocUnsafeSlow(Math.min(readBytes, size - at));
      const count = readSync(fd, chunk, 0, Math.min(chunk.length, size - at), offset + at);
      if (count === 0) return;
      at += count;
      yield chunk.subarray(0, count);
    }
  } catch (error) {
    throw fileError(error, "read", path);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
