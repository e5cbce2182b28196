// SPDX-License-Identifier: Apache-2.0
import { limits } from "../../base/limits.ts";
import type { Toc, TocEntry } from "./toc.ts";

/** New contents that come in one frame of a delta, and an earlier one that they may be like. */
export interface FramePlan {
  readonly from: TocEntry | undefined;
  readonly to: readonly TocEntry[];
  /** Packed bytes that must come where there is no such frame. */
  readonly cost: number;
}

interface Wanted {
  readonly entry: TocEntry;
  readonly cost: number;
}

/**
 * Says in which frames the contents come that a layer has and an earlier one had not, in the order of its blob. Small ones
 * share a frame, as to unpack one by one would take more time than what is saved. One that is larger has its own, of the
 * content that had the same path, else of the only file in its folder that had the same name but for digits
 * (`libfoo.so.1.2.3`); where there is none, only if it is large. What is huge is left out, and what does not fit into
 * `limits.patchedLayerBytes` with those before.
 */
export function planFrames(from: Toc, to: Toc): readonly FramePlan[] {
  const earlier = new Earlier(from);
  const frames: FramePlan[] = [];
  let small: Wanted[] = [];
  let smallBytes = 0;
  let total = 0;
  const flush = (): void => {
    if (small.length > 0) frames.push({ from: undefined, ...together(small) });
    [small, smallBytes] = [[], 0];
  };
  for (const entry of newContents(to, earlier)) {
    const like = entry.size <= limits.sharedFileBytes ? undefined : earlier.like(entry.path);
    const isSmall = like === undefined && entry.size <= limits.sharedFrameBytes / 4;
    if (total + entry.size + (like?.size ?? 0) > limits.patchedLayerBytes) continue;
    total += entry.size + (like?.size ?? 0);
    const wanted = { entry, cost: earlier.cost(entry) };
    if (!isSmall) {
      frames.push({ from: like, ...together([wanted]) });
      continue;
    }
    if (smallBytes + entry.size > limits.sharedFrameBytes) flush();
    small.push(wanted);
    smallBytes += entry.size;
  }
  flush();
  return frames;
}

function together(all: readonly Wanted[]): Omit<FramePlan, "from"> {
  return { to: all.map(({ entry }) => entry), cost: all.reduce((sum, { cost }) => sum + cost, 0) };
}

/** The entries with contents that come newly, each content once. */
function* newContents({ entries }: Toc, earlier: Earlier): Generator<TocEntry> {
  const seen = new Set<string>();
  for (const entry of entries) {
    const digest = entry.digest ?? "";
    if (!isSuitable(entry) || seen.has(digest) || earlier.digests.has(digest)) continue;
    seen.add(digest);
    yield entry;
  }
}

function isSuitable({ digest, size, chunks }: TocEntry): boolean {
  const [start, end] = [chunks[0]?.start ?? 0, chunks.at(-1)?.end ?? 0];
  // packed bytes that are more than the content may be a trap
  const fits = size <= limits.patchedFileBytes && end > start && end - start <= 2 * size + 16 * 1024;
  return digest !== undefined && fits;
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
