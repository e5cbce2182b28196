// SPDX-License-Identifier: Apache-2.0
import { type ChunkedPlaces, type Placed, readAnnotations } from "../../formats/zstd-chunked/annotations.ts";
import { openToc } from "../../formats/zstd-chunked/open.ts";
import type { Toc, TocEntry } from "../../formats/zstd-chunked/toc.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import type { BlobSpan } from "../../oci/source.ts";
import type { FileContent } from "../image/tree.ts";
import type { ContentIndex } from "../objects/contents.ts";
import type { LayerContext } from "./context.ts";

/** Tables that are larger cost more memory than parts of a layer are worth. */
const maxTableBytes = 64 * 1024 * 1024;

/** Places of a layer that can be put together of its files. */
export type WholePlaces = ChunkedPlaces & { readonly tarSplit: Placed };

/** Where the tables of a layer are; undefined where it has none, or not all. Throws `ZSTD_CHUNKED_INVALID`. */
export function placesOf(layer: Descriptor): WholePlaces | undefined {
  const places = readAnnotations(Object.fromEntries(layer.annotations ?? []), layer.size);
  if (places?.tarSplit === undefined) return undefined;
  const { toc, tarSplit } = places;
  return Math.max(toc.size, tarSplit.size) > maxTableBytes ? undefined : { ...places, tarSplit };
}

export interface PackedTables {
  readonly toc: Uint8Array;
  readonly tarSplit: Uint8Array;
}

/** Fetches both tables, unchecked; `openSpans` of the source says what it throws. */
export async function fetchTables(
  { source, signal }: LayerContext,
  layer: Descriptor,
  { toc, tarSplit }: WholePlaces,
): Promise<PackedTables | undefined> {
  const [first, second] = [new Excerpt(toc), new Excerpt(tarSplit)];
  const parts = source.openSpans?.(layer, tableSpans(toc, tarSplit), signal);
  if (parts === undefined) return undefined;
  for await (const { offset, bytes } of parts) {
    first.take(offset, bytes);
    second.take(offset, bytes);
  }
  return { toc: first.bytes, tarSplit: second.bytes };
}

function tableSpans(toc: Placed, tarSplit: Placed): BlobSpan[] {
  const [start, middle] = [toc.offset, toc.offset + toc.size];
  const end = tarSplit.offset + tarSplit.size;
  if (tarSplit.offset - middle <= 1024) return [{ start, end }];
  return [
    { start, end: middle },
    { start: tarSplit.offset, end },
  ];
}

/** Copies one place out of the bytes of a blob as they pass by. */
export class Excerpt {
  readonly bytes: Uint8Array;
  readonly #place: Placed;

  constructor(place: Placed) {
    this.bytes = new Uint8Array(place.size);
    this.#place = place;
  }

  take(offset: number, chunk: Uint8Array): void {
    const { offset: start, size } = this.#place;
    const from = Math.max(start - offset, 0);
    const to = Math.min(start + size - offset, chunk.length);
    if (from < to) this.bytes.set(chunk.subarray(from, to), offset + from - start);
  }
}

/** Smaller files come whole where they change, which costs about as much as a part of them. */
const leastChunkedBytes = 32 * 1024;

/** Notes where the chunks of a large file are, if it has several. */
export function indexChunks(index: ContentIndex, entry: TocEntry, { digest }: FileContent): void {
  if (entry.chunks.length < 2 || entry.size < leastChunkedBytes) return;
  for (const chunk of entry.chunks) {
    if (chunk.hole) continue;
    const { offset, size } = chunk;
    index.addChunk(chunk.digest.slice("sha256:".length), { object: digest, offset, size });
  }
}

/**
 * Notes the contents and chunks of a layer that came as a whole; `contents` are its files by path. Their sha256 digests
 * are what its table says: what the index says is checked before it counts, by the diff id of what is made with it.
 */
export function indexWholeLayer(
  index: ContentIndex,
  places: WholePlaces,
  packedToc: Uint8Array,
  contents: ReadonlyMap<string, FileContent>,
): void {
  let toc: Toc;
  try {
    toc = openToc(packedToc, places);
  } catch {
    // the layer was read as an archive, so what its table says does not matter
    return;
  }
  for (const entry of toc.entries) {
    const content = contents.get(entry.path);
    if (content?.size !== entry.size || entry.digest === undefined) continue;
    index.addContent(entry.digest.slice("sha256:".length), content);
    indexChunks(index, entry, content);
  }
}
