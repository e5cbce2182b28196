// SPDX-License-Identifier: Apache-2.0
import { isDowelError } from "../base/errors.ts";
import type { Placed } from "../formats/zstd-chunked/annotations.ts";
import { isDeltaWorthwhile, makeTocDelta } from "../formats/zstd-chunked/delta.ts";
import type { Repository } from "../oci/client/registry.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import { type LoadedImage, loadImage } from "../oci/image.ts";
import type { ImageSource } from "../oci/source.ts";
import { attachTocDeltas } from "../oci/tocdelta.ts";
import { collect } from "../oci/verify.ts";
import { placesOf, type WholePlaces } from "../store/transfer/tables.ts";

interface Table {
  readonly diffId: Digest;
  readonly layer: Descriptor;
  readonly places: WholePlaces;
}

/** A delta only saves bytes: whatever goes wrong with it, unless the user ends it, must not be seen. */
async function unlessFailed<T>(action: () => Promise<T>): Promise<T | undefined> {
  try {
    return await action();
  } catch (error) {
    if (isDowelError(error) && error.code !== "ABORTED") return undefined;
    throw error;
  }
}

/** What a tag stands for on an architecture before a push changes it. */
export async function imageBefore(
  target: Repository,
  tag: string,
  arch: string,
  signal: AbortSignal | undefined,
): Promise<LoadedImage | undefined> {
  return unlessFailed(() => loadImage(target, tag, arch, signal));
}

function tablesOf({ manifest, config }: LoadedImage): (Table | undefined)[] {
  return manifest.layers.map((layer, at) => {
    const places = placesOf(layer);
    const diffId = config.diffIds[at];
    if (places === undefined || diffId === undefined) return undefined;
    return { diffId, layer, places };
  });
}

async function fetchTable(source: ImageSource, { layer, places }: Table, signal: AbortSignal | undefined) {
  const { offset, size }: Placed = places.toc;
  return collect(source.openRange(layer, { offset, length: size }, signal), size, `${source.name}: ${layer.digest}`);
}

async function deltasOf(
  source: ImageSource,
  image: LoadedImage,
  target: Repository,
  before: LoadedImage,
  signal?: AbortSignal,
) {
  const earlier = tablesOf(before);
  const known = new Set(earlier.map((table) => table?.places.tocDigest));
  const deltas: Parameters<typeof attachTocDeltas>[2][number][] = [];
  for (const [at, table] of tablesOf(image).entries()) {
    const from = earlier[at] ?? earlier.find((other) => other !== undefined);
    if (table === undefined || from === undefined || known.has(table.places.tocDigest)) continue;
    if (!isDeltaWorthwhile(table.places.toc) || !isDeltaWorthwhile(from.places.toc)) continue;
    const bytes = makeTocDelta(await fetchTable(target, from, signal), await fetchTable(source, table, signal));
    if (bytes === undefined) continue;
    deltas.push({ fromLayer: from.diffId, from: from.places.tocDigest, to: table.places.tocDigest, bytes });
  }
  return deltas;
}

/**
 * Hangs on an image that was pushed how its tables of contents come of those of the image before it, so that an update
 * need not fetch them whole.
 */
export async function pushTocDeltas(
  source: ImageSource,
  digest: string,
  target: Repository,
  before: LoadedImage | undefined,
  { arch, signal }: { readonly arch: string; readonly signal: AbortSignal | undefined },
): Promise<void> {
  if (before === undefined || before.descriptor.digest === digest) return;
  await unlessFailed(async () => {
    const image = await loadImage(source, digest, arch, signal);
    const deltas = await deltasOf(source, image, target, before, signal);
    if (deltas.length > 0) await attachTocDeltas(target, image.descriptor, deltas, signal);
  });
}
