// SPDX-License-Identifier: Apache-2.0
import { isDowelError } from "../base/errors.ts";
import type { Placed } from "../formats/zstd-chunked/annotations.ts";
import { isDeltaWorthwhile, makeTocDelta } from "../formats/zstd-chunked/delta.ts";
import { makeEntryDelta } from "../formats/zstd-chunked/entry-delta.ts";
import { planFrames } from "../formats/zstd-chunked/file-pairs.ts";
import { openToc } from "../formats/zstd-chunked/open.ts";
import type { Repository } from "../oci/client/registry.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import { type LoadedImage, loadImage } from "../oci/image.ts";
import type { ImageSource } from "../oci/source.ts";
import { attachTocDeltas, type ChunkedDelta, deltasBefore, findTocDeltas } from "../oci/tocdelta.ts";
import { collect } from "../oci/verify.ts";
import { voucherOf } from "../store/image/voucher.ts";
import { placesOf, type WholePlaces } from "../store/transfer/tables.ts";
import { makeFileDelta } from "./pushfiles.ts";

interface Table {
  readonly diffId: Digest;
  readonly layer: Descriptor;
  readonly places: WholePlaces;
}

interface LayerChange {
  readonly from: Table;
  readonly to: Table;
  /** Whether the manifest vouches for what the layer makes, as only then its entries alone are enough. */
  readonly vouched: boolean;
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

/** The tables of an image that came newly, each with the one of the earlier image that it may be made of. */
function changedTables(image: LoadedImage, before: LoadedImage): LayerChange[] {
  const earlier = tablesOf(before);
  const vouched = voucherOf(image.manifest.annotations) !== undefined;
  const known = new Set(earlier.map((table) => table?.places.tocDigest));
  return tablesOf(image).flatMap((to, at) => {
    const from = earlier[at] ?? earlier.find((other) => other !== undefined);
    if (to === undefined || from === undefined || known.has(to.places.tocDigest)) return [];
    return isDeltaWorthwhile(to.places) && isDeltaWorthwhile(from.places) ? [{ from, to, vouched }] : [];
  });
}

type NewDelta = ChunkedDelta & { readonly bytes: Uint8Array };

async function deltasOf(
  source: ImageSource,
  target: Repository,
  change: LayerChange,
  signal?: AbortSignal,
): Promise<NewDelta[]> {
  const { from, to, vouched } = change;
  const [earlier, later] = [await fetchTable(target, from, signal), await fetchTable(source, to, signal)];
  const names = {
    fromLayer: from.diffId,
    from: from.places.tocDigest,
    to: to.places.tocDigest,
    unpackedSize: to.places.toc.unpackedSize,
  };
  const tocs = { from: openToc(earlier, from.places), to: openToc(later, to.places) };
  const table = makeTocDelta(earlier, later);
  const entries = vouched ? makeEntryDelta(earlier, later) : undefined;
  const layers = { from: { source: target, layer: from.layer }, to: { source, layer: to.layer } };
  const files = await unlessFailed(() => makeFileDelta(planFrames(tocs.from, tocs.to), layers, signal));
  return [
    ...(table === undefined ? [] : [{ ...names, makes: "table", bytes: table } as const]),
    ...(entries === undefined ? [] : [{ ...names, makes: "entries", bytes: entries } as const]),
    ...(files === undefined ? [] : [{ ...names, makes: "files", bytes: files } as const]),
  ];
}

/**
 * Hangs on an image that was pushed how its tables of contents and its files come of those of the image before it, so
 * that an update need not fetch them whole; and what hung on that one for those before it.
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
    const deltas: NewDelta[] = [];
    const changes = changedTables(image, before);
    for (const change of changes) deltas.push(...(await deltasOf(source, target, change, signal)));
    if (deltas.length === 0) return;
    const older = await findTocDeltas(target, before.descriptor.digest, signal);
    const tables = tablesOf(before).flatMap((table) => table?.places.tocDigest ?? []);
    await attachTocDeltas(target, image.descriptor, [...deltas, ...deltasBefore(older, tables)], signal);
  });
}
