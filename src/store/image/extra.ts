// SPDX-License-Identifier: Apache-2.0
import { existsSync } from "node:fs";
import { join } from "node:path";
import { readPlainFile } from "../../sys/plainfile.ts";
import { type LayerEntry, LayerStack } from "./layers.ts";
import { readRecord } from "./record.ts";
import type { FolderNode } from "./tree.ts";

/**
 * What was made of an image's extra data on this machine is kept as one more layer, whose record lies in the folder of
 * the image. It is a part of the tree that is shown, so it is held to a digest as all else is.
 */
export const extraRecord = "record-extra";

/** The entries of an image's extra data, the image's folder being given; undefined where there is none. Throws `STORE_INVALID`. */
export function loadExtra(image: string): readonly LayerEntry[] | undefined {
  const path = join(image, extraRecord);
  return existsSync(path) ? readRecord(path) : undefined;
}

/** Puts extra data over a tree that so many layers have made. */
export function addExtra(root: FolderNode, layers: number, entries: readonly LayerEntry[]): void {
  const stack = new LayerStack(root, layers);
  stack.beginLayer();
  for (const entry of entries) stack.add(entry);
}

/** Extra data that an import of the same image may go on with: its entries and its record, if all its contents are here. */
export function completeExtra(
  image: string,
  has: (digest: string, size: number) => boolean,
): { readonly entries: readonly LayerEntry[]; readonly record: ReadonlyMap<string, string> } | undefined {
  const entries = loadExtra(image);
  const isHere = (entry: LayerEntry): boolean => {
    if (entry.kind !== "file" || entry.content.size === 0 || entry.content.inline !== undefined) return true;
    return has(entry.content.digest, entry.content.size);
  };
  if (entries?.every(isHere) !== true) return undefined;
  return { entries, record: new Map([[extraRecord, readPlainFile(join(image, extraRecord)).toString()]]) };
}
