// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { checkCancelled, DowelError, isDowelError } from "../../base/errors.ts";
import { checkEntry } from "../../formats/tar/policy.ts";
import type { BlobPart } from "../../formats/zstd-chunked/answer.ts";
import { checkTocAgainstTarSplit } from "../../formats/zstd-chunked/crosscheck.ts";
import { openTarSplit, openToc } from "../../formats/zstd-chunked/open.ts";
import { type FetchPlan, planFetch } from "../../formats/zstd-chunked/plan.ts";
import { rebuildTar } from "../../formats/zstd-chunked/rebuild.ts";
import type { TarSplitEntry } from "../../formats/zstd-chunked/tarsplit.ts";
import type { Toc } from "../../formats/zstd-chunked/toc.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import { type Digest, digestAlgorithm, finishDigest } from "../../oci/digest.ts";
import { releaseMemory } from "../../sys/runtime.ts";
import type { LayerEntry } from "../image/layers.ts";
import { canonicalEntry } from "../image/unpack.ts";
import { fetchWanted, isFeasible } from "./assemble.ts";
import { LayerContents } from "./contents.ts";
import type { LayerContext } from "./context.ts";
import { patchFiles } from "./patch.ts";
import { fetchTables, type LayerTables, type WholePlaces } from "./tables.ts";

/** In smaller layers there is nothing to gain. */
export const leastPartialBytes = 64 * 1024;

/**
 * Fetches the tables of a zstd:chunked layer; undefined where it is too small for that or the source sends no parts. The
 * tar-split data comes with them where something is here that the layer may have too, and all of the layer is wanted.
 */
export async function openTables(
  context: LayerContext,
  layer: Descriptor,
  places: WholePlaces,
): Promise<LayerTables | undefined> {
  const { index, source } = context;
  if (index === undefined || source.openSpans === undefined) return undefined;
  const isSubset = context.subpaths.length > 0;
  const tableBytes = places.toc.size + (isSubset ? 0 : places.tarSplit.size);
  if (layer.size < leastPartialBytes || 2 * tableBytes >= layer.size) return undefined;
  const withTarSplit = !isSubset && !index.isEmpty && !context.vouched;
  return unlessRefused(() => fetchTables(context, layer, places, withTarSplit));
}

const nothingWanted: FetchPlan = { ranges: [], wanted: [], bytes: 0, whole: false };

/** From so many bytes on that are to come, memory is worth the time to free it. */
const manyBytes = 16 * 1024 * 1024;

export interface PartialLayer {
  /** Undefined where all of the layer should be fetched: that costs no more, or the source does not send its parts. */
  readonly entries?: LayerEntry[];
  /** Whether parts came that are not what they should be. */
  readonly damaged?: boolean;
}

/**
 * Fetches of a zstd:chunked layer only what is not here, and answers its entries.
 *
 * The manifest vouches for the table of contents. It must say the same as the headers of the archive, each content must
 * have its digest, and the archive put together again must have the digest that the config names; so what is installed
 * is what those see who read the archive. Where the manifest vouches for the tree of all layers (`context.vouched`), the
 * archive and the tar-split data are not asked: what the contents are is said by that tree. Throws `ZSTD_CHUNKED_INVALID`, `DIGEST_MISMATCH`, `TAR_UNSAFE` and others
 * where the layer lies.
 */
export async function fetchPartially(
  context: LayerContext,
  layer: Descriptor,
  places: WholePlaces,
  tables: LayerTables,
  diffId: Digest,
): Promise<PartialLayer> {
  const { index, staging, source } = context;
  const { tarSplit: packed } = tables;
  if (index === undefined || index.isEmpty || (packed === undefined && !context.vouched)) return {};
  const toc = openToc(tables.toc, places, context.vouched);
  if (packed !== undefined && toc.tarSplitDigest === undefined) return {};
  const tarSplit = packed === undefined ? undefined : () => openTarSplit(packed, places, toc);
  if (tarSplit !== undefined) await checkTocAgainstTarSplit(toc, tarSplit());
  const contents = new LayerContents(index, staging);
  const empty = staging.add(new Uint8Array(0), false);
  const paths = toc.entries.map(checkEntry);
  const came = await bringContents(context, layer, places, { toc, fetched: tables.fetched }, contents);
  if (came !== "all") return { damaged: came === "damaged" };
  await contents.settle();
  const found = tarSplit && (await archiveDigest(toc, tarSplit(), contents, diffId, context.signal));
  if (found !== undefined && found !== diffId) {
    if (contents.forgetDamaged()) return {};
    const what = `${source.name}: layer ${layer.digest}`;
    const text = isDowelError(found) ? found.message : `unpacked it is ${found}, expected ${diffId}`;
    throw new DowelError("DIGEST_MISMATCH", `${what}: ${text}`);
  }
  return {
    entries: toc.entries.map((entry, at) => {
      const content = entry.digest === undefined ? empty : contents.get(entry.digest);
      return canonicalEntry(entry, content, paths[at]);
    }),
  };
}

/**
 * Sees to it that every content of a table is here: made of earlier ones, or fetched. `fetched`: bytes that came for the
 * table. What has no place in the blob must be made of earlier contents. Answers what hindered it, where something did.
 */
export async function bringContents(
  context: LayerContext,
  layer: Descriptor,
  places: WholePlaces,
  { toc, fetched }: { readonly toc: Pick<Toc, "entries">; readonly fetched: number },
  contents: LayerContents,
): Promise<"all" | "dear" | "refused" | "damaged"> {
  let plan = planFetch(toc, places.payloadEnd, contents);
  // what was left over by then would add to what large patches take
  if (plan.bytes > manyBytes) releaseMemory();
  const before = fetched - context.deltas.bytes;
  const patched = await patchFiles(context, places.tocDigest, plan, contents);
  const isAllHere = patched && plan.wanted.every(({ entry }) => contents.file(entry.digest ?? ""));
  if (isAllHere) plan = nothingWanted;
  else if (patched) plan = planFetch(toc, places.payloadEnd, contents);
  const isPlaced = plan.wanted.every(({ entry }) => entry.chunks.length > 0);
  if (plan.whole || !isPlaced || !isFeasible(plan)) return "dear";
  return await fetchParts(context, layer, plan, before + context.deltas.bytes, contents);
}

/** Whether the source does not send parts, or sends nonsense: the whole layer may come all the same. */
export function isRefusal(error: unknown): boolean {
  return isDowelError(error, "REGISTRY_REFUSED") || isDowelError(error, "REGISTRY_RESPONSE");
}

async function unlessRefused<T>(action: () => Promise<T>): Promise<T | undefined> {
  try {
    return await action();
  } catch (error) {
    if (isRefusal(error)) return undefined;
    throw error;
  }
}

/**
 * Fetches the parts of a plan. Parts that are damaged may be so on the way only: the digest of the whole blob says
 * whether the layer is.
 */
async function fetchParts(
  context: LayerContext,
  layer: Descriptor,
  plan: FetchPlan,
  before: number,
  contents: LayerContents,
): Promise<"all" | "refused" | "damaged"> {
  const { source, report, signal } = context;
  const name = layer.digest;
  const size = plan.bytes + before;
  report({ type: "fetch.start", name, size });
  async function* parts(): AsyncGenerator<BlobPart> {
    if (plan.ranges.length === 0) return;
    let done = before;
    for await (const part of source.openSpans?.(layer, plan.ranges, signal) ?? []) {
      yield part;
      done += part.bytes.length;
      report({ type: "fetch.progress", name, done: Math.min(done, size), size });
    }
  }
  try {
    if (plan.wanted.length > 0) await contents.settle();
    await fetchWanted(context, plan, parts(), contents);
  } catch (error) {
    if (isRefusal(error)) return "refused";
    if (isDowelError(error, "DIGEST_MISMATCH") || isDowelError(error, "COMPRESSION_INVALID")) return "damaged";
    throw error;
  }
  report({ type: "fetch.done", name, size, reused: false });
  return "all";
}

/** The digest of the archive, or what is wrong with it. */
async function archiveDigest(
  toc: Toc,
  tarSplit: AsyncIterable<TarSplitEntry>,
  contents: LayerContents,
  diffId: Digest,
  signal: AbortSignal | undefined,
): Promise<string | DowelError> {
  const digests = new Map<string, string>();
  for (const { path, digest } of toc.entries) if (digest !== undefined) digests.set(path, digest);
  const algorithm = digestAlgorithm(diffId);
  const hash = createHash(algorithm);
  try {
    for await (const bytes of rebuildTar(tarSplit, (path) => contents.scan(digests.get(path) ?? ""))) {
      checkCancelled(signal);
      hash.update(bytes);
    }
  } catch (error) {
    if (isDowelError(error, "DIGEST_MISMATCH") || isDowelError(error, "ZSTD_CHUNKED_INVALID")) return error;
    throw error;
  }
  return finishDigest(hash, algorithm);
}
