// SPDX-License-Identifier: Apache-2.0
import type { Toc, TocChunk, TocEntry } from "./toc.ts";

/** Says which contents are there already, by `sha256:HEX`. */
export interface Held {
  file(digest: string): boolean;
  chunk(digest: string): boolean;
}

export interface PlanOptions {
  /** Ranges with at most so many bytes between them become one; 1024 if not given. */
  readonly mergeGap?: number;
  /** The most ranges, at least 1; 1024 if not given. */
  readonly maxRanges?: number;
  /** What a range costs beside its bytes, in bytes; 256 if not given. */
  readonly rangeCost?: number;
}

/** One chunk of one file. */
export interface Piece {
  readonly entry: TocEntry;
  readonly chunk: TocChunk;
}

/** Bytes of the blob from `start` to before `end`, and the pieces in them, in order; between these may be others. */
export interface FetchRange {
  readonly start: number;
  readonly end: number;
  readonly pieces: readonly Piece[];
}

/** Where a chunk of a wanted file comes from: a range, what is held, nothing (zeros), or the same chunk elsewhere. */
export type ChunkOrigin = "fetched" | "held" | "hole" | Piece;

export interface WantedFile {
  /** The first of the entries with this content. */
  readonly entry: TocEntry;
  /** One for each chunk of the entry. */
  readonly origins: readonly ChunkOrigin[];
}

export interface FetchPlan {
  /** Ascending, without overlaps. */
  readonly ranges: readonly FetchRange[];
  /** Each content that is not held, once. */
  readonly wanted: readonly WantedFile[];
  /** Bytes of all ranges. */
  readonly bytes: number;
  /** Whether the whole blob costs no more than its ranges. */
  readonly whole: boolean;
}

/**
 * Says what must be fetched of a layer so that each content of it is at hand. `payloadEnd` is where the compressed
 * archive ends in the blob. A chunk that two files share is fetched for the first of them.
 */
export function planFetch(
  toc: Pick<Toc, "entries">,
  payloadEnd: number,
  held: Held,
  options: PlanOptions = {},
): FetchPlan {
  const wanted: WantedFile[] = [];
  const files = new Set<string>();
  const first = new Map<string, Piece>();
  const pieces: Piece[] = [];
  for (const entry of toc.entries) {
    if (entry.digest === undefined || files.has(entry.digest)) continue;
    files.add(entry.digest);
    if (held.file(entry.digest)) continue;
    const origins = entry.chunks.map((chunk): ChunkOrigin => {
      if (chunk.hole) return "hole";
      const same = first.get(chunk.digest);
      if (same !== undefined) return same;
      if (held.chunk(chunk.digest)) return "held";
      const piece = { entry, chunk };
      first.set(chunk.digest, piece);
      pieces.push(piece);
      return "fetched";
    });
    wanted.push({ entry, origins });
  }
  const ranges = mergePieces(pieces, options.mergeGap ?? 1024, Math.max(options.maxRanges ?? 1024, 1));
  const bytes = ranges.reduce((sum, { start, end }) => sum + end - start, 0);
  return { ranges, wanted, bytes, whole: bytes + ranges.length * (options.rangeCost ?? 256) >= payloadEnd };
}

function mergePieces(pieces: readonly Piece[], mergeGap: number, maxRanges: number): readonly FetchRange[] {
  const gaps = pieces.slice(1).map(({ chunk }, index) => chunk.start - (pieces[index]?.chunk.end ?? 0));
  const widest = gaps.filter((gap) => gap > mergeGap).sort((left, right) => right - left);
  // of gaps as wide as the last one kept, only as many as the limit leaves room for
  const least = widest[maxRanges - 2] ?? (maxRanges === 1 ? Number.POSITIVE_INFINITY : mergeGap + 1);
  let atLeast = maxRanges - 1 - widest.filter((gap) => gap > least).length;
  const ranges: { start: number; end: number; pieces: Piece[] }[] = [];
  for (const [index, piece] of pieces.entries()) {
    const last = ranges.at(-1);
    const gap = gaps[index - 1] ?? 0;
    const apart = gap > least || (gap === least && gap > mergeGap && atLeast-- > 0);
    if (last === undefined || apart) {
      ranges.push({ start: piece.chunk.start, end: piece.chunk.end, pieces: [piece] });
    } else {
      last.end = piece.chunk.end;
      last.pieces.push(piece);
    }
  }
  return ranges;
}

/** The value of a `Range` header (RFC 9110, 14.2). */
export function formatRanges(ranges: readonly { readonly start: number; readonly end: number }[]): string {
  return `bytes=${ranges.map(({ start, end }) => `${start}-${end - 1}`).join(",")}`;
}
