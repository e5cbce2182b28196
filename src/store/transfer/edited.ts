// SPDX-License-Identifier: Apache-2.0
import { checkEntry } from "../../formats/tar/policy.ts";
import type { TocEntry } from "../../formats/zstd-chunked/toc.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import type { Digest } from "../../oci/digest.ts";
import type { LayerEntry } from "../image/layers.ts";
import { encodeEntry, loadLines, type RecordLines } from "../image/record.ts";
import { imageFolder } from "../image/stored.ts";
import { canonicalEntry } from "../image/unpack.ts";
import { LayerContents } from "./contents.ts";
import type { LayerContext } from "./context.ts";
import { bringContents, leastPartialBytes } from "./partial.ts";
import type { WholePlaces } from "./tables.ts";
import { type EditedTable, keepToc } from "./tocdelta.ts";

/**
 * Fetches what a layer has that the layer before it had not, and takes all else from the record of that one: work for what
 * changed, not for what there is. Only for a layer whose tree the manifest vouches for, as nothing else is compared. The
 * answer is as that of `loadLines`; undefined where the layer must come in another way.
 */
export async function fetchEdited(
  context: LayerContext,
  layer: Descriptor,
  places: WholePlaces,
  diffId: Digest,
): Promise<RecordLines | undefined> {
  const { installation, source, staging, index, deltas, earlier } = context;
  if (!context.vouched || index === undefined || index.isEmpty) return undefined;
  if (source.openSpans === undefined || layer.size < leastPartialBytes) return undefined;
  const before = deltas.bytes;
  const edit = await deltas.edit(places);
  if (edit === undefined) return undefined;
  const images = earlier.map((commit) => imageFolder(installation, commit));
  const record = loadLines(installation, edit.fromLayer, images);
  if (record === undefined) return undefined;
  const contents = new LayerContents(index, staging);
  const added = edit.added.map((entry) => [entry, checkEntry(entry)] as const);
  const what = { toc: { entries: edit.added }, fetched: deltas.bytes - before };
  if ((await bringContents(context, layer, places, what, contents)) !== "all") return undefined;
  const empty = staging.add(new Uint8Array(0), false);
  const contentOf = ({ digest }: TocEntry) => (digest === undefined ? empty : contents.get(digest));
  const fresh = added.map(([entry, paths]) => canonicalEntry(entry, contentOf(entry), paths));
  const result = merge(edit.runs, record, fresh);
  if (result !== undefined) keepToc(installation, diffId, edit.kept, places);
  return result;
}

/** Undefined where the record is not that of the layer that the edit began with. */
function merge(runs: EditedTable["runs"], record: RecordLines, fresh: readonly LayerEntry[]): RecordLines | undefined {
  const lines: string[] = [];
  const entries: LayerEntry[] = [];
  let next = 0;
  for (const { first, count } of runs) {
    for (let at = first; at < first + count; at++) {
      const entry = first < 0 ? fresh[next++] : record.entries[at];
      if (entry === undefined) return undefined;
      entries.push(entry);
      lines.push((first < 0 ? undefined : record.lines[at]) ?? encodeEntry(entry));
    }
  }
  return { lines, entries };
}
