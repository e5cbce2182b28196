// SPDX-License-Identifier: Apache-2.0
import { DowelError, isDowelError } from "../../base/errors.ts";
import type { Report } from "../../base/events.ts";
import { decompress } from "../../formats/compression/decompress.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import { type Digest, digestAlgorithm } from "../../oci/digest.ts";
import type { ByteStream } from "../../oci/verify.ts";
import { releaseMemory } from "../../sys/runtime.ts";
import type { LayerEntry, LayerStack } from "../image/layers.ts";
import { encodeEntry, encodeRecord, loadRecord } from "../image/record.ts";
import { unpackLayer } from "../image/unpack.ts";
import type { ObjectStaging } from "../objects/staging.ts";
import { fetchBlob, forgetBlob } from "./blob.ts";
import { type LayerContext, largeLayerBytes, mayContinue } from "./context.ts";
import { type EditedLayer, fetchEdited } from "./edited.ts";
import { fetchPartially, isRefusal, openTables } from "./partial.ts";
import { fetchSubset } from "./subset.ts";
import { LayerNotes, placesOf, type WholePlaces } from "./tables.ts";
import { archiveByDelta, isDeltasFault, type UsableDelta, usableDelta } from "./tardiff.ts";
import { keepToc } from "./tocdelta.ts";

const progressBytes = 1024 * 1024;

/** Adds a layer that came before, from its record; false where there is none, or not all that is asked for. */
export function addKnownLayer(
  { installation, staging }: LayerContext,
  stack: LayerStack,
  diffId: Digest,
  reuse: "known" | "complete",
): boolean {
  const entries = loadRecord(installation, diffId);
  if (entries === undefined) return false;
  if (reuse === "complete" && !entries.every((entry) => isPresent(staging, entry))) return false;
  stack.beginLayer();
  for (const entry of entries) stack.add(entry);
  return true;
}

function isPresent(staging: ObjectStaging, entry: LayerEntry): boolean {
  if (entry.kind !== "file" || entry.content.size === 0 || entry.content.inline !== undefined) return true;
  return staging.has(entry.content.digest, entry.content.size);
}

export interface FetchedLayer {
  /** As `encodeRecord` has it. */
  readonly record: string | Uint8Array;
  /** Set where the layer was made of the one before: then its entries are yet to be added to the stack. */
  readonly edited?: EditedLayer;
  /**
   * Whether its unpacked bytes have the digest that the config names. If not, only the tree can say that it is right, or
   * these are the entries of a subset, of which each content is.
   */
  readonly isChecked: boolean;
}

/**
 * Fetches a layer, or what is not here of it, stages its contents and adds it to the stack. What is said
 * to be checked is right when this returns; before, nothing of it is trusted.
 */
export async function fetchLayer(
  context: LayerContext,
  stack: LayerStack,
  layer: Descriptor,
  diffId: Digest,
): Promise<FetchedLayer> {
  const places = placesOf(layer);
  const edited = places === undefined ? undefined : await fetchEdited(context, layer, places);
  if (edited !== undefined) return { record: edited.record.bytes, edited, isChecked: false };
  const tables = places === undefined ? undefined : await openTables(context, layer, places);
  if (places === undefined || tables === undefined) {
    const delta = usableDelta(context, layer, diffId);
    const lines = delta === undefined ? undefined : await makeByDelta(context, stack, layer, diffId, delta);
    if (lines !== undefined) return { record: encodeRecord(lines), isChecked: true };
    return { record: encodeRecord(await fetchWhole(context, stack, layer, diffId, { places })), isChecked: true };
  }
  const isSubset = context.subpaths.length > 0;
  const partial = isSubset
    ? await fetchSubset(context, layer, places, tables)
    : await fetchPartially(context, layer, places, tables, diffId);
  if (partial.entries === undefined) {
    const toc = partial.damaged ? undefined : tables.toc;
    const lines = await fetchWhole(context, stack, layer, diffId, { places, toc });
    keepToc(context.installation, diffId, tables.toc, places);
    return { record: encodeRecord(lines), isChecked: true };
  }
  keepToc(context.installation, diffId, tables.toc, places);
  stack.beginLayer();
  for (const entry of partial.entries) stack.add(entry);
  return { record: encodeRecord(partial.entries.map(encodeEntry)), isChecked: !context.vouched && !isSubset };
}

/** Makes a layer of an older one; undefined where that does not lead to the layer, and nothing has been added. */
async function makeByDelta(
  context: LayerContext,
  stack: LayerStack,
  layer: Descriptor,
  diffId: Digest,
  delta: UsableDelta,
): Promise<string[] | undefined> {
  const { source, staging, report, signal } = context;
  const { blob } = delta;
  report({ type: "fetch.start", name: blob.digest, size: blob.size });
  const intake = staging.intake(layer.size);
  const entries: LayerEntry[] = [];
  try {
    await intake.beginArchive(digestAlgorithm(diffId));
    const tar = decompress(archiveByDelta(context, delta, layer), "none", { memory: intake });
    for await (const entry of unpackLayer(tar, intake, signal)) entries.push(entry);
    const found = await intake.endArchive();
    if (found !== diffId) {
      throw new DowelError("DIGEST_MISMATCH", `${source.name}: it makes ${found}, expected ${diffId}`);
    }
  } catch (error) {
    if (isDeltasFault(context, delta, error)) return undefined;
    throw error;
  }
  forgetBlob(context.installation, blob);
  report({ type: "fetch.done", name: blob.digest, size: blob.size, reused: false });
  stack.beginLayer();
  for (const entry of entries) stack.add(entry);
  return entries.map(encodeEntry);
}

/** What is known of a layer that is fetched as a whole. */
interface WholeLayer {
  /** Undefined where it is no zstd:chunked layer. */
  readonly places: WholePlaces | undefined;
  /** Its packed table, where it came already and the source sends parts: then nothing but the archive is fetched. */
  readonly toc?: Uint8Array | undefined;
}

async function fetchWhole(
  context: LayerContext,
  stack: LayerStack,
  layer: Descriptor,
  diffId: Digest,
  { places, toc }: WholeLayer,
): Promise<string[]> {
  const { installation, source, staging, index, report, signal } = context;
  const what = `${source.name}: layer ${layer.digest}`;
  report({ type: "fetch.start", name: layer.digest, size: layer.size });
  const intake = staging.intake(layer.size);
  const lines: string[] = [];
  const notes = places === undefined || index === undefined ? undefined : new LayerNotes(index, places, toc);
  let arrived = false;
  try {
    const bytes = toc === undefined || places === undefined ? undefined : archiveOf(context, layer, places);
    const blob = watched(bytes ?? fetchBlob(installation, source, layer, signal), layer, report, notes, () => {
      arrived = true;
    });
    await intake.beginArchive(digestAlgorithm(diffId));
    const tar = decompress(blob, "auto", { signal, memory: intake });
    stack.beginLayer();
    for await (const entry of unpackLayer(tar, intake, signal, notes?.see)) {
      stack.add(entry);
      lines.push(encodeEntry(entry));
    }
    const found = await intake.endArchive();
    if (found !== diffId)
      throw new DowelError("DIGEST_MISMATCH", `${what}: unpacked it is ${found}, expected ${diffId}`);
  } catch (thrown) {
    const error = arrived ? asDamage(thrown, what) : thrown;
    if (!mayContinue(error)) forgetBlob(installation, layer);
    else if (toc !== undefined) await keepStaged(context, layer, notes);
    throw error;
  }
  forgetBlob(installation, layer);
  staging.startSync();
  if (layer.size > largeLayerBytes) releaseMemory();
  notes?.finish();
  if (layer.size > largeLayerBytes) releaseMemory();
  report({ type: "fetch.done", name: layer.digest, size: layer.size, reused: false });
  return lines;
}

/** The compressed archive, without the tables behind it. Nothing of it is kept: its contents are, when it breaks off. */
async function* archiveOf(context: LayerContext, layer: Descriptor, { payloadEnd }: WholePlaces): ByteStream {
  const { installation, source, signal } = context;
  let begun = false;
  try {
    for await (const { bytes } of source.openSpans?.(layer, [{ start: 0, end: payloadEnd }], signal) ?? []) {
      begun = true;
      yield bytes;
    }
    if (begun) return;
  } catch (error) {
    if (begun || !isRefusal(error)) throw error;
  }
  yield* fetchBlob(installation, source, layer, signal);
}

/** Makes objects of what came, so that the next try fetches only the rest. The error that ended this one is shown. */
async function keepStaged(
  { staging, index }: LayerContext,
  layer: Descriptor,
  notes: LayerNotes | undefined,
): Promise<void> {
  try {
    await staging.intake(layer.size).settle();
    await staging.commit();
    notes?.finish();
    index?.save();
  } catch {}
}

/** A blob that is all here with the right digest, and yet ends too early, was made so. */
function asDamage(error: unknown, what: string): unknown {
  if (!isDowelError(error, "TRANSFER_INCOMPLETE")) return error;
  return new DowelError("TAR_INVALID", `${what}: ${error.message}`, { cause: error });
}

async function* watched(
  chunks: ByteStream,
  layer: Descriptor,
  report: Report,
  notes: LayerNotes | undefined,
  onEnd: () => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  let done = 0;
  let reported = 0;
  for await (const chunk of chunks) {
    notes?.take(done, chunk);
    yield chunk;
    done += chunk.length;
    if (done - reported < progressBytes) continue;
    reported = done;
    report({ type: "fetch.progress", name: layer.digest, done, size: layer.size });
  }
  onEnd();
}
