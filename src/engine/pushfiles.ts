// SPDX-License-Identifier: Apache-2.0
import { checkCancelled } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { encodeFileDelta, type FilePatch, makeFilePatch } from "../formats/zstd-chunked/file-delta.ts";
import type { FilePair } from "../formats/zstd-chunked/file-pairs.ts";
import { checkDigest, unpackFrames } from "../formats/zstd-chunked/frame.ts";
import type { TocEntry } from "../formats/zstd-chunked/toc.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { ImageSource } from "../oci/source.ts";
import { collect } from "../oci/verify.ts";

/** Patches that are made at once, by threads of their own. */
const atOnce = 2;

interface SourceLayer {
  readonly source: ImageSource;
  readonly layer: Descriptor;
}

interface Layers {
  readonly from: SourceLayer;
  readonly to: SourceLayer;
}

/** The content of one file: its chunks lie side by side in the blob, zstd frames one after the other. */
async function readContent({ source, layer }: SourceLayer, entry: TocEntry, signal?: AbortSignal): Promise<Uint8Array> {
  const what = `${source.name}: ${JSON.stringify(entry.path)}`;
  const [offset, end] = [entry.chunks[0]?.start ?? 0, entry.chunks.at(-1)?.end ?? 0];
  const length = end - offset;
  const bytes = unpackFrames(
    await collect(source.openRange(layer, { offset, length }, signal), length, what),
    entry.size,
    what,
  );
  checkDigest(bytes, entry.digest ?? "", what);
  return bytes;
}

async function patchOf(
  { from, to, cost }: FilePair,
  layers: Layers,
  signal: AbortSignal | undefined,
): Promise<FilePatch | undefined> {
  const [earlier, later] = [await readContent(layers.from, from, signal), await readContent(layers.to, to, signal)];
  return makeFilePatch(earlier, later, { from: from.digest ?? "", to: to.digest ?? "" }, cost);
}

/**
 * Makes the delta of files from one layer to another; undefined where no patch is worth it. What exceeds the limits is left
 * out. Throws what the sources throw, COMPRESSION_INVALID, DIGEST_MISMATCH.
 */
export async function makeFileDelta(
  pairs: readonly FilePair[],
  layers: Layers,
  signal?: AbortSignal,
): Promise<Uint8Array | undefined> {
  const patches: FilePatch[] = [];
  let packed = 0;
  for (let at = 0; at < pairs.length; at += atOnce) {
    checkCancelled(signal);
    const some = pairs.slice(at, at + atOnce);
    for (const patch of await Promise.all(some.map((pair) => patchOf(pair, layers, signal)))) {
      if (patch === undefined || packed + patch.patch.length > limits.fileDeltaBytes / 2) continue;
      packed += patch.patch.length;
      patches.push(patch);
    }
  }
  return patches.length === 0 ? undefined : encodeFileDelta(patches);
}
