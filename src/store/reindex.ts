// SPDX-License-Identifier: Apache-2.0
import { createHash, hash } from "node:crypto";
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { checkCancelled, errnoOf, fileError } from "../base/errors.ts";
import { Chunker, type ChunkSink } from "../formats/zstd-chunked/chunker.ts";
import type { Ref } from "../metadata/ref.ts";
import { deployedCommits, tryRead } from "./deployments.ts";
import { loadImage } from "./image/stored.ts";
import { filesOf } from "./image/tree.ts";
import type { Installation } from "./installation.ts";
import { namesIn } from "./names.ts";
import { ContentIndex } from "./objects/contents.ts";
import { visitObjects } from "./objects/list.ts";
import { objectPath } from "./objects/paths.ts";

const readBytes = 1024 * 1024;
/** Where objects are smaller their chunks are not noted, as in `transfer/tables.ts`. */
const leastChunkedBytes = 32 * 1024;
/** Rows are written after so many objects, so that memory does not grow with their number. */
const savedTogether = 1000;

/** Makes the index anew of all objects of an installation. To be called while nobody else uses it. */
export function rebuildIndex(installation: Installation, signal?: AbortSignal): void {
  ContentIndex.remove(installation);
  using index = ContentIndex.open(installation);
  if (index === undefined) return;
  indexObjects(index, installation, storedObjects(installation), signal);
  for (const commit of namesIn(installation.images)) indexInline(index, installation, commit);
  index.save();
}

/**
 * Notes what the versions of a ref hold that are deployed, where the index was lost or never made: to read them costs
 * less than to fetch again what the next version shares with them.
 */
export function indexDeployed(index: ContentIndex, installation: Installation, ref: Ref, signal?: AbortSignal): void {
  for (const commit of deployedCommits(installation, ref)) {
    const digests: string[] = [];
    tryRead(() => visitObjects(installation, commit, (digest) => digests.push(digest)));
    indexObjects(index, installation, digests, signal);
    indexInline(index, installation, commit);
  }
  index.save();
}

function* storedObjects(installation: Installation): Generator<string> {
  for (const folder of namesIn(installation.objects)) {
    for (const name of namesIn(join(installation.objects, folder))) {
      if (/^[0-9a-f]{62}$/.test(name)) yield folder + name;
    }
  }
}

/** Small contents have no objects; they lie in the images themselves. */
function indexInline(index: ContentIndex, installation: Installation, commit: string): void {
  const image = tryRead(() => loadImage(installation, commit));
  if (image === undefined) return;
  for (const { content } of filesOf(image.view.root)) {
    if (content.inline !== undefined) index.addContent(hash("sha256", content.inline, "hex"), content);
  }
}

function indexObjects(
  index: ContentIndex,
  installation: Installation,
  digests: Iterable<string>,
  signal: AbortSignal | undefined,
): void {
  const buffer = Buffer.alloc(readBytes);
  let count = 0;
  for (const digest of digests) {
    checkCancelled(signal);
    indexObject(index, objectPath(installation, digest), digest, buffer);
    if (++count % savedTogether === 0) index.save();
  }
}

function indexObject(index: ContentIndex, path: string, digest: string, buffer: Buffer): void {
  let fd: number | undefined;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    if (!fstatSync(fd).isFile()) return;
    const sum = createHash("sha256");
    const notes = new ChunkNotes();
    const chunker = new Chunker(notes);
    let size = 0;
    for (;;) {
      const bytes = buffer.subarray(0, readSync(fd, buffer, 0, buffer.length, null));
      if (bytes.length === 0) break;
      size += bytes.length;
      sum.update(bytes);
      if (size >= leastChunkedBytes) chunker.push(bytes);
    }
    index.addContent(sum.digest("hex"), { size, digest, inline: undefined });
    if (size < leastChunkedBytes) return;
    chunker.finish();
    if (notes.chunks.length < 2) return;
    for (const [sha256, start, length] of notes.chunks)
      index.addChunk(sha256, { object: digest, offset: start, size: length });
  } catch (error) {
    // What is gone or cannot be read is not to be found in the index; repair looks at it.
    if (["ENOENT", "EIO", "ELOOP", "ENXIO"].includes(errnoOf(error) ?? "")) return;
    throw fileError(error, "read", path);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** Gathers the digests and places of the chunks of an object, without its holes. */
class ChunkNotes implements ChunkSink {
  readonly chunks: (readonly [sha256: string, start: number, length: number])[] = [];
  #sum = createHash("sha256");
  #start = 0;
  #length = 0;

  data(bytes: Uint8Array, hole: boolean): void {
    if (!hole) this.#sum.update(bytes);
    this.#length += bytes.length;
  }

  cut(hole: boolean): void {
    if (this.#length === 0) return;
    if (!hole) {
      this.chunks.push([this.#sum.digest("hex"), this.#start, this.#length]);
      this.#sum = createHash("sha256");
    }
    this.#start += this.#length;
    this.#length = 0;
  }
}
