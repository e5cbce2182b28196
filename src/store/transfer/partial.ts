// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { checkCancelled, DowelError, isDowelError } from "../../base/errors.ts";
import type { BlobPart } from "../../formats/zstd-chunked/answer.ts";
import { checkTocAgainstTarSplit } from "../../formats/zstd-chunked/crosscheck.ts";
import { openTarSplit, openToc } from "../../formats/zstd-chunked/open.ts";
import { type FetchPlan, planFetch } from "../../formats/zstd-chunked/plan.ts";
import { rebuildTar } from "../../formats/zstd-chunked/rebuild.ts";
import type { TarSplitEntry } from "../../formats/zstd-chunked/tarsplit.ts";
import type { Toc } from "../../formats/zstd-chunked/toc.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import { type Digest, digestAlgorithm, finishDigest } from "../../oci/digest.ts";
import type { LayerEntry } from "../image/layers.ts";
import { canonicalEntry } from "../image/unpack.ts";
import type { ContentIndex } from "../objects/contents.ts";
import { fetchWanted, isFeasible } from "./assemble.ts";
import { LayerContents } from "./contents.ts";
import type { LayerContext } from "./context.ts";
import { fetchTables, type PackedTables, type WholePlaces } from "./tables.ts";

/** In smaller layers there is nothing to gain. */
const leastLayerBytes = 64 * 1024;

/**
 * Fetches of a zstd:chunked layer only what is not here, and answers its entries; undefined where all of it should be
 * fetched instead: nothing is here, that costs no more, or the source sends no parts.
 *
 * The manifest vouches for the table of contents. It must say the same as the headers of the archive, each content must
 * have its digest, and the archive put together again must have the digest that the config names; so what is installed
 * is what those see who read the archive. Throws `ZSTD_CHUNKED_INVALID`, `DIGEST_MISMATCH`, `TAR_UNSAFE` and others
 * where the layer lies.
 */
export async function fetchPartially(
  context: LayerContext,
  layer: Descriptor,
  places: WholePlaces,
  diffId: Digest,
): Promise<LayerEntry[] | undefined> {
  const { index, staging, source } = context;
  if (index === undefined || source.openSpans === undefined || !isWorthTables(index, layer, places)) return undefined;
  const tables = await unlessRefused(() => fetchTables(context, layer, places));
  if (tables === undefined) return undefined;
  const toc = openToc(tables.toc, places);
  if (toc.tarSplitDigest === undefined) return undefined;
  const tarSplit = () => openTarSplit(tables.tarSplit, places, toc);
  await checkTocAgainstTarSplit(toc, tarSplit());
  const contents = new LayerContents(index, staging);
  const empty = staging.add(new Uint8Array(0), false);
  for (const entry of toc.entries) canonicalEntry(entry, empty);
  const plan = planFetch(toc, places.payloadEnd, contents);
  if (plan.whole || !isFeasible(plan)) return undefined;
  if (!(await fetchParts(context, layer, plan, tables, contents))) return undefined;
  const found = await archiveDigest(toc, tarSplit(), contents, diffId, context.signal);
  if (found !== diffId) {
    if (contents.forgetDamaged()) return undefined;
    const what = `${source.name}: layer ${layer.digest}`;
    throw new DowelError("DIGEST_MISMATCH", `${what}: unpacked it is ${found}, expected ${diffId}`);
  }
  return toc.entries.map((entry) => {
    const content = entry.digest === undefined ? empty : contents.get(entry.digest);
    return canonicalEntry(entry, content);
  });
}

function isWorthTables(index: ContentIndex, layer: Descriptor, { toc, tarSplit }: WholePlaces): boolean {
  return layer.size >= leastLayerBytes && 2 * (toc.size + tarSplit.size) < layer.size && !index.isEmpty;
}

/** Undefined where the source does not send parts, or sends nonsense: the whole layer may come all the same. */
async function unlessRefused<T>(action: () => Promise<T>): Promise<T | undefined> {
  try {
    return await action();
  } catch (error) {
    if (isDowelError(error, "REGISTRY_REFUSED") || isDowelError(error, "REGISTRY_RESPONSE")) return undefined;
    throw error;
  }
}

/** False where the source does not go on sending parts. */
async function fetchParts(
  context: LayerContext,
  layer: Descriptor,
  plan: FetchPlan,
  tables: PackedTables,
  contents: LayerContents,
): Promise<boolean> {
  const { source, report, signal } = context;
  const name = layer.digest;
  const size = plan.bytes + tables.toc.length + tables.tarSplit.length;
  report({ type: "fetch.start", name, size });
  async function* parts(): AsyncGenerator<BlobPart> {
    if (plan.ranges.length === 0) return;
    let done = size - plan.bytes;
    for await (const part of source.openSpans?.(layer, plan.ranges, signal) ?? []) {
      yield part;
      done += part.bytes.length;
      report({ type: "fetch.progress", name, done: Math.min(done, size), size });
    }
  }
  const done = await unlessRefused(async () => {
    await fetchWanted(context, plan, parts(), contents);
    return true;
  });
  if (done === true) report({ type: "fetch.done", name, size, reused: false });
  return done === true;
}

/** The digest of the archive, or of what is wrong with it. */
async function archiveDigest(
  toc: Toc,
  tarSplit: AsyncIterable<TarSplitEntry>,
  contents: LayerContents,
  diffId: Digest,
  signal: AbortSignal | undefined,
): Promise<string> {
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
    if (isDowelError(error, "DIGEST_MISMATCH") || isDowelError(error, "ZSTD_CHUNKED_INVALID")) return error.message;
    throw error;
  }
  return finishDigest(hash, algorithm);
}
