// SPDX-License-Identifier: Apache-2.0
import type { PlainTable } from "../../formats/composefs/plain-table.ts";
import { checkEntry } from "../../formats/tar/policy.ts";
import type { TocEntry } from "../../formats/zstd-chunked/toc.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import type { Digest } from "../../oci/digest.ts";
import { readPlainFile } from "../../sys/plainfile.ts";
import { placeOfRecord } from "../image/record.ts";
import { type EditedRecord, editRecord, RecordLines } from "../image/recordedit.ts";
import { imageFolder } from "../image/stored.ts";
import { canonicalEntry } from "../image/unpack.ts";
import type { Installation } from "../installation.ts";
import { LayerContents } from "./contents.ts";
import type { LayerContext } from "./context.ts";
import { readEarlier, unlessDamaged } from "./fromearlier.ts";
import { bringContents, leastPartialBytes } from "./partial.ts";
import type { WholePlaces } from "./tables.ts";

/** Contents in deltas of files are about so many times as large unpacked. */
const usualRatio = 3;

/** A layer of which only what the layer before it had not was looked at. */
export interface EditedLayer {
  readonly record: EditedRecord;
  /** The image of the version before, where the layer before was all that it had, and where it is mounted. */
  readonly before: PlainTable | undefined;
}

/** The record of an earlier layer; undefined where it cannot be read. */
function readLines(installation: Installation, earlier: readonly string[], layer: Digest): RecordLines | undefined {
  const images = earlier.map((commit) => imageFolder(installation, commit));
  return unlessDamaged(() => {
    const place = placeOfRecord(installation, layer, images);
    return place === undefined ? undefined : new RecordLines(readPlainFile(place));
  });
}

/**
 * Fetches what a layer has that the layer before it had not, and takes all else from the record of that one: work for what
 * changed, not for what there is. Only for a layer whose tree the manifest vouches for, as nothing else is compared.
 * Undefined where the layer must come in another way.
 */
export async function fetchEdited(
  context: LayerContext,
  layer: Descriptor,
  places: WholePlaces,
): Promise<EditedLayer | undefined> {
  const { installation, source, staging, index, deltas, earlier } = context;
  if (!context.vouched || index === undefined || index.isEmpty) return undefined;
  if (source.openSpans === undefined || layer.size < leastPartialBytes) return undefined;
  const bytesBefore = deltas.bytes;
  const edit = await deltas.edit(places, (bytes) => void staging.intake(usualRatio * bytes));
  if (edit === undefined) return undefined;
  const contents = new LayerContents(index, staging);
  // nobody vouches for a delta: what it says of unsafe entries is no reason to refuse the layer
  const added = unlessDamaged(() => edit.added.map((entry) => [entry, checkEntry(entry)] as const));
  if (added === undefined) return undefined;
  const what = { toc: { entries: edit.added }, fetched: deltas.bytes - bytesBefore };
  if ((await bringContents(context, layer, places, what, contents)) !== "all") return undefined;
  // beside the thread that stages the contents
  const before = readEarlier(installation, earlier, edit.fromLayer);
  const earlierRecord = readLines(installation, earlier, edit.fromLayer);
  await contents.arrive();
  staging.startCommit();
  if (earlierRecord === undefined) return undefined;
  const empty = staging.add(new Uint8Array(0), false);
  const contentOf = ({ digest }: TocEntry) => (digest === undefined ? empty : contents.get(digest));
  const fresh = added.map(([entry, paths]) => canonicalEntry(entry, contentOf(entry), paths));
  const record = editRecord(earlierRecord, edit.runs, fresh);
  return record && { record, before };
}
