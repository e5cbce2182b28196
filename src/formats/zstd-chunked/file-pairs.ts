// SPDX-License-Identifier: Apache-2.0
import { limits } from "../../base/limits.ts";
import type { Toc, TocEntry } from "./toc.ts";

/** A new content, and an earlier one that it may be like. */
export interface FilePair {
  readonly from: TocEntry;
  readonly to: TocEntry;
  /** Packed bytes that must come where there is no patch. */
  readonly cost: number;
}

/**
 * Says of which contents of an earlier layer those of a new one may best be made, in the order of the earlier ones in
 * their blob: of what had the same path, else of the only file in its folder that had the same name but for digits
 * (`libfoo.so.1.2.3`). Contents that are small, huge, or nearly all there in chunks are left out, and what does not fit into
 * `limits.patchedLayerBytes` with those before.
 */
export function pairFiles(from: Toc, to: Toc): FilePair[] {
  const earlier = new Earlier(from);
  const pairs: FilePair[] = [];
  const seen = new Set<string>();
  for (const entry of to.entries) {
    if (!isSuitable(entry) || seen.has(entry.digest ?? "") || earlier.digests.has(entry.digest ?? "")) continue;
    seen.add(entry.digest ?? "");
    const like = earlier.like(entry.path);
    const cost = earlier.cost(entry);
    if (like !== undefined && cost >= limits.patchLeastBytes) pairs.push({ from: like, to: entry, cost });
  }
  let total = 0;
  return pairs
    .sort((left, right) => startOf(left.from) - startOf(right.from))
    .filter(({ to: { size } }) => {
      const fits = total + size <= limits.patchedLayerBytes;
      if (fits) total += size;
      return fits;
    });
}

function startOf({ chunks }: TocEntry): number {
  return chunks[0]?.start ?? 0;
}

function isSuitable({ digest, size, chunks }: TocEntry): boolean {
  const [start, end] = [chunks[0]?.start ?? 0, chunks.at(-1)?.end ?? 0];
  // packed bytes that are more than the content may be a trap
  const fits = size <= limits.patchedFileBytes && end > start && end - start <= 2 * limits.patchedFileBytes;
  return digest !== undefined && chunks.length > 0 && fits;
}

/** A path without its digits, so that another version of a library has the same. */
function stem(path: string): string {
  return path.replaceAll(/\d+/g, "0");
}

class Earlier {
  readonly digests = new Set<string>();
  readonly #chunks = new Set<string>();
  readonly #paths = new Map<string, TocEntry>();
  /** Undefined where several have the same. */
  readonly #stems = new Map<string, TocEntry | undefined>();

  constructor({ entries }: Toc) {
    for (const entry of entries) {
      if (entry.digest === undefined) continue;
      this.digests.add(entry.digest);
      for (const { digest } of entry.chunks) this.#chunks.add(digest);
      if (!isSuitable(entry)) continue;
      this.#paths.set(entry.path, entry);
      this.#stems.set(stem(entry.path), this.#stems.has(stem(entry.path)) ? undefined : entry);
    }
  }

  like(path: string): TocEntry | undefined {
    return this.#paths.get(path) ?? this.#stems.get(stem(path));
  }

  cost({ chunks }: TocEntry): number {
    return chunks.reduce(
      (sum, { digest, hole, start, end }) => (hole || this.#chunks.has(digest) ? sum : sum + end - start),
      0,
    );
  }
}
