// SPDX-License-Identifier: Apache-2.0
import { type ChunkedPlaces, type Placed, readAnnotations } from "../../formats/zstd-chunked/annotations.ts";
import { visitPackedToc } from "../../formats/zstd-chunked/open.ts";
import type { TocEntry } from "../../formats/zstd-chunked/toc.ts";
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

/** What was fetched of a layer before its contents. */
export interface LayerTables {
  /** Packed and unchecked, as the tar-split data is. */
  readonly toc: Uint8Array;
  /** Undefined where it was not asked for. */
  readonly tarSplit: Uint8Array | undefined;
  /** Bytes that came for them. */
  readonly fetched: number;
}

/**
 * Fetches the table of contents of a layer, or makes it of an earlier one, and fetches its tar-split data where that is
 * asked for. `openSpans` of the source says what it throws.
 */
export async function fetchTables(
  { source, deltas, index, signal }: LayerContext,
  layer: Descriptor,
  places: WholePlaces,
  withTarSplit: boolean,
): Promise<LayerTables | undefined> {
  const before = deltas.bytes;
  const made = index?.isEmpty === false ? await deltas.make(places) : undefined;
  const toc = made === undefined ? new Excerpt(places.toc) : undefined;
  const tarSplit = withTarSplit ? new Excerpt(places.tarSplit) : undefined;
  const spans = tableSpans(toc && places.toc, tarSplit && places.tarSplit);
  const parts = spans.length === 0 ? [] : source.openSpans?.(layer, spans, signal);
  if (parts === undefined) return undefined;
  for await (const { offset, bytes } of parts) {
    toc?.take(offset, bytes);
    tarSplit?.take(offset, bytes);
  }
  const fetched = deltas.bytes - before + spans.reduce((sum, { start, end }) => sum + end - start, 0);
  return { toc: made ?? toc?.bytes ?? new Uint8Array(0), tarSplit: tarSplit?.bytes, fetched };
}

/** Two places that lie side by side are one span. */
function tableSpans(...places: readonly (Placed | undefined)[]): BlobSpan[] {
  const spans: { start: number; end: number }[] = [];
  for (const place of places) {
    if (place === undefined) continue;
    const [start, end, last] = [place.offset, place.offset + place.size, spans.at(-1)];
    if (last !== undefined && start - last.end <= 1024) last.end = end;
    else spans.push({ start, end });
  }
  return spans;
}

/** Copies one place out of the bytes of a blob as they pass by. */
export class Excerpt {
  readonly bytes: Uint8Array;
  readonly #place: Pick<Placed, "offset" | "size">;

  constructor(place: Pick<Placed, "offset" | "size">) {
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
 * Notes for the index what comes with a whole layer. The sha256 digests are what its table says: what the index says is
 * checked before it counts, by the diff id of what is made with it.
 */
export class LayerNotes {
  readonly #index: ContentIndex;
  readonly #places: WholePlaces;
  readonly #toc: Uint8Array;
  /** Undefined where the table came before. */
  readonly #excerpt: Excerpt | undefined;
  readonly #contents = new Map<string, FileContent>();

  /** `toc` is the packed table; without it, it is among the bytes that come. */
  constructor(index: ContentIndex, places: WholePlaces, toc: Uint8Array | undefined) {
    this.#index = index;
    this.#places = places;
    this.#excerpt = toc === undefined ? new Excerpt(places.toc) : undefined;
    this.#toc = toc ?? this.#excerpt?.bytes ?? new Uint8Array(0);
  }

  /** Looks at bytes of the blob. */
  take(offset: number, bytes: Uint8Array): void {
    this.#excerpt?.take(offset, bytes);
  }

  readonly see = (path: string, content: FileContent): void => {
    if (content.size > 0) this.#contents.set(path, content);
  };

  /** Notes what was seen. The table is read only now, when most memory is free again. */
  finish(): void {
    const entry = (found: TocEntry): void => {
      const content = this.#contents.get(found.path);
      if (found.digest === undefined || content?.size !== found.size) return;
      this.#index.addContent(found.digest.slice("sha256:".length), content);
      indexChunks(this.#index, found, content);
    };
    try {
      visitPackedToc(this.#toc, this.#places, { begin: () => undefined, entry });
    } catch {
      // the layer was read as an archive, so what its table says does not matter
    }
  }
}
