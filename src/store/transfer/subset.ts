// SPDX-License-Identifier: Apache-2.0
import { checkEntry } from "../../formats/tar/policy.ts";
import { openToc } from "../../formats/zstd-chunked/open.ts";
import type { TocEntry } from "../../formats/zstd-chunked/toc.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import { canonicalEntry } from "../image/unpack.ts";
import { LayerContents } from "./contents.ts";
import type { LayerContext } from "./context.ts";
import { bringContents, type PartialLayer } from "./partial.ts";
import type { LayerTables, WholePlaces } from "./tables.ts";

type SafeEntry = { readonly entry: TocEntry } & ReturnType<typeof checkEntry>;

/** Where the layouts of images have the files of an app or a runtime; a runtime's folders may lie at the top as well. */
const fileRoots = ["/files", "/app", "/usr", ""];

/** What a subset shows of an archive's entries, and what its hard links are to; undefined where one of these is elsewhere. */
function chosenOf(entries: readonly SafeEntry[], subpaths: readonly string[]): readonly SafeEntry[] | undefined {
  const folders = new Set(fileRoots.flatMap((root) => subpaths.map((path) => root + path)));
  const isInside = (names: readonly string[]): boolean =>
    names.some((_, at) => folders.has(`/${names.slice(0, at + 1).join("/")}`));
  const byPath = new Map(entries.map((one) => [one.names.join("/"), one]));
  const chosen = new Set(
    entries.filter(({ entry, names, linkNames }) => {
      const isLight = entry.digest === undefined && linkNames === undefined;
      return isLight || entry.path === "metadata" || isInside(names);
    }),
  );
  // What is added to a set while it is gone through comes up, too.
  for (const { linkNames } of chosen) {
    if (linkNames === undefined) continue;
    const target = byPath.get(linkNames.join("/"));
    if (target === undefined) return undefined;
    chosen.add(target);
  }
  return entries.filter((one) => chosen.has(one));
}

/**
 * Fetches of a zstd:chunked layer only the contents in the folders of a subset, as far as they are not here, and answers
 * those entries, with all folders, links and empty files of the layer.
 *
 * The manifest vouches for the table of contents, and that for each content, which is held to its digest; so is what the
 * index says that is here. Without the rest the archive cannot be put together, so nothing is said of its digest: the
 * entries are good for this image alone. Throws as `fetchPartially` does.
 */
export async function fetchSubset(
  context: LayerContext,
  layer: Descriptor,
  places: WholePlaces,
  tables: LayerTables,
): Promise<PartialLayer> {
  const { index, staging, subpaths } = context;
  if (index === undefined) return {};
  const toc = openToc(tables.toc, places);
  const chosen = chosenOf(
    toc.entries.map((entry) => ({ entry, ...checkEntry(entry) })),
    subpaths,
  );
  if (chosen === undefined) return {};
  const part = { ...toc, entries: chosen.map(({ entry }) => entry) };
  const contents = new LayerContents(index, staging);
  const empty = staging.add(new Uint8Array(0), false);
  const came = await bringContents(context, layer, places, { toc: part, fetched: tables.fetched }, contents);
  if (came !== "all") return { damaged: came === "damaged" };
  await contents.settle();
  if (contents.forgetDamaged()) return {};
  return {
    entries: chosen.map(({ entry, ...paths }) => {
      const content = entry.digest === undefined ? empty : contents.get(entry.digest);
      return canonicalEntry(entry, content, paths);
    }),
  };
}
