// SPDX-License-Identifier: Apache-2.0
import { checkCancelled, isDowelError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import {
  type DigestedContent,
  encodeFileDelta,
  type FileFrame,
  makeFileFrame,
  sizeInDelta,
} from "../formats/zstd-chunked/file-delta.ts";
import type { FramePlan } from "../formats/zstd-chunked/file-pairs.ts";
import { checkDigest, unpackFrames } from "../formats/zstd-chunked/frame.ts";
import type { TocEntry } from "../formats/zstd-chunked/toc.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { BlobSpan, ImageSource } from "../oci/source.ts";
import { collect } from "../oci/verify.ts";
import { Excerpt } from "../store/transfer/tables.ts";

/** Frames that are made at once, by threads of their own. */
const atOnce = 2;
/** Contents with fewer bytes between them are read together. */
const mostBetween = 16 * 1024;
/** A patch must save at least a fifth of what it replaces, as it needs the earlier content. */
const mostOfCost = 0.8;
/**
 * The most bytes of a frame for contents that cost so many in the layer itself: to take these costs one more request, and for
 * many small ones much more time than the bytes of a frame.
 */
function mostFor(cost: number, contents: readonly DigestedContent[]): number {
  const size = contents.reduce((sum, { bytes }) => sum + bytes.length, 0);
  return size > limits.sharedFrameBytes ? cost * 1.05 + 4096 : cost * 2 + 64 * 1024;
}

interface SourceLayer {
  readonly source: ImageSource;
  readonly layer: Descriptor;
}

interface Layers {
  readonly from: SourceLayer;
  readonly to: SourceLayer;
}

/** Where the content of a file lies in its blob: its chunks side by side, zstd frames one after the other. */
function spanOf({ chunks }: TocEntry): BlobSpan {
  return { start: chunks[0]?.start ?? 0, end: chunks.at(-1)?.end ?? 0 };
}

/** Places that hold all that lies at others, which ascend; few and far apart. */
function joinedSpans(entries: readonly TocEntry[]): readonly BlobSpan[] {
  const spans: { start: number; end: number }[] = [];
  for (const { start, end } of entries.map(spanOf)) {
    const last = spans.at(-1);
    if (last === undefined || start - last.end > mostBetween) spans.push({ start, end });
    else last.end = end;
  }
  return spans;
}

interface BlobExcerpt {
  readonly start: number;
  readonly bytes: Uint8Array;
}

/** Parts of a blob. Throws REGISTRY_REFUSED where a registry sends none, as the whole blob for each would be too much. */
async function readSpans(
  { source, layer }: SourceLayer,
  spans: readonly BlobSpan[],
  signal: AbortSignal | undefined,
): Promise<readonly BlobExcerpt[]> {
  if (source.openSpans !== undefined) {
    const parts = spans.map(({ start, end }) => ({
      start,
      excerpt: new Excerpt({ offset: start, size: end - start }),
    }));
    for await (const { offset, bytes } of source.openSpans(layer, spans, signal)) {
      for (const { excerpt } of parts) excerpt.take(offset, bytes);
    }
    return parts.map(({ start, excerpt: { bytes } }) => ({ start, bytes }));
  }
  const parts: BlobExcerpt[] = [];
  for (const { start, end } of spans) {
    const range = source.openRange(layer, { offset: start, length: end - start }, signal);
    parts.push({ start, bytes: await collect(range, end - start, `${source.name}: ${layer.digest}`) });
  }
  return parts;
}

/** The contents of files, in the order of the blob, each checked. Throws as `readSpans`, COMPRESSION_INVALID, DIGEST_MISMATCH. */
async function readContents(
  layer: SourceLayer,
  entries: readonly TocEntry[],
  signal: AbortSignal | undefined,
): Promise<readonly DigestedContent[]> {
  const parts = await readSpans(layer, joinedSpans(entries), signal);
  return entries.map((entry) => {
    const { start, end } = spanOf(entry);
    const part = parts.findLast((one) => one.start <= start);
    const what = `${layer.source.name}: ${JSON.stringify(entry.path)}`;
    const packed = part?.bytes.subarray(start - part.start, end - part.start) ?? new Uint8Array(0);
    const bytes = unpackFrames(packed, entry.size, what);
    const digest = entry.digest ?? "";
    checkDigest(bytes, digest, what);
    return { digest, bytes };
  });
}

/** The content that others may be like; undefined where it cannot be had. */
async function readEarlier(
  layer: SourceLayer,
  entry: TocEntry | undefined,
  signal: AbortSignal | undefined,
): Promise<DigestedContent | undefined> {
  if (entry === undefined) return undefined;
  try {
    return (await readContents(layer, [entry], signal))[0];
  } catch (error) {
    if (!isDowelError(error) || error.code === "ABORTED") throw error;
    return undefined;
  }
}

/** Undefined where the layer itself has the contents in much fewer bytes. */
async function frameOf(
  { from, to, cost }: FramePlan,
  layers: Layers,
  signal: AbortSignal | undefined,
): Promise<FileFrame | undefined> {
  const contents = await readContents(layers.to, to, signal);
  const earlier = await readEarlier(layers.from, from, signal);
  const patch = earlier && (await makeFileFrame(earlier, contents));
  if (patch !== undefined && sizeInDelta(patch) <= cost * mostOfCost) return patch;
  const plain = await makeFileFrame(undefined, contents);
  const best = patch === undefined || sizeInDelta(plain) <= sizeInDelta(patch) ? plain : patch;
  return sizeInDelta(best) <= mostFor(cost, contents) ? best : undefined;
}

/**
 * Makes the delta of files from one layer to another; undefined where there is nothing in it. What exceeds the limits is left
 * out. Throws what the later layer's source throws, COMPRESSION_INVALID, DIGEST_MISMATCH.
 */
export async function makeFileDelta(
  plans: readonly FramePlan[],
  layers: Layers,
  signal?: AbortSignal,
): Promise<Uint8Array | undefined> {
  const frames: FileFrame[] = [];
  let packed = 0;
  for (let at = 0; at < plans.length; at += atOnce) {
    checkCancelled(signal);
    const some = plans.slice(at, at + atOnce);
    for (const frame of await Promise.all(some.map((plan) => frameOf(plan, layers, signal)))) {
      if (frame === undefined || packed + sizeInDelta(frame) > limits.fileDeltaBytes / 2) continue;
      packed += sizeInDelta(frame);
      frames.push(frame);
    }
  }
  return frames.length === 0 ? undefined : encodeFileDelta(frames);
}
