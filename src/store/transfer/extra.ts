// SPDX-License-Identifier: Apache-2.0
import { existsSync } from "node:fs";
import { join } from "node:path";
import { checkCancelled, DowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { inlineThreshold } from "../../formats/composefs/model.ts";
import { decodeConfig } from "../../oci/config.ts";
import { readPlainFile } from "../../sys/plainfile.ts";
import { addExtra, extraRecord } from "../image/extra.ts";
import type { LayerEntry } from "../image/layers.ts";
import { encodeEntry, encodeRecord } from "../image/record.ts";
import { imageFolder, imageOf, objectSizes, ownRecords, type StoredImage, treeOf } from "../image/stored.ts";
import { subsetOf } from "../image/subset.ts";
import { viewOf } from "../image/view.ts";
import { writeImage } from "../image/write.ts";
import type { Installation } from "../installation.ts";
import { ObjectStaging } from "../objects/staging.ts";
import { noteBegin, noteEnd } from "../unfinished.ts";

/** One thing that was made of extra data. */
export interface ExtraEntry {
  /** Relative to the folder `extra`, with `/` between names. */
  readonly path: string;
  readonly kind: "folder" | "file" | "symlink";
  readonly mode: number;
  /** Bytes of a file. */
  readonly size: number;
  /** Where a symbolic link leads. */
  readonly target: string;
  /** A file's bytes, to be read before the next entry is asked for. */
  readonly content: AsyncIterable<Uint8Array>;
}

/** Whether an image has its extra data already. */
export function hasExtra(installation: Installation, commit: string): boolean {
  return existsSync(join(imageFolder(installation, commit), extraRecord));
}

/** Where the folder `extra` lies in an image, as layers have it. */
function folderOf({ view, ref }: StoredImage): readonly string[] {
  const top = view.layout === "flatpak" ? "files" : ref.kind === "app" ? "app" : "usr";
  return [top, "extra"];
}

async function storeContent(staging: ObjectStaging, { content, mode, size }: ExtraEntry) {
  const executable = (mode & 0o111) !== 0;
  if (size > inlineThreshold) return staging.addStream(content, executable);
  const chunks: Uint8Array[] = [];
  for await (const chunk of content) chunks.push(chunk);
  return staging.add(Buffer.concat(chunks), executable);
}

async function layerOf(
  staging: ObjectStaging,
  folder: readonly string[],
  entries: AsyncIterable<ExtraEntry>,
  signal: AbortSignal | undefined,
): Promise<readonly LayerEntry[]> {
  const nothing = staging.add(new Uint8Array(0), false);
  // What the image itself has there does not show.
  const opaque = {
    kind: "file",
    path: [...folder, ".wh..wh..opq"],
    mtime: 0,
    executable: false,
    content: nothing,
  } as const;
  const layer: LayerEntry[] = [{ kind: "folder", path: folder, mtime: 0 }, opaque];
  let bytes = 0;
  for await (const entry of entries) {
    checkCancelled(signal);
    const path = [...folder, ...entry.path.split("/")];
    bytes += entry.size;
    if (bytes > limits.extraDataBytes) {
      throw new DowelError("LIMIT_EXCEEDED", `The extra data take more than ${limits.extraDataBytes} bytes`);
    }
    if (layer.length > limits.extraDataEntries) {
      throw new DowelError(
        "LIMIT_EXCEEDED",
        `The extra data are more than ${limits.extraDataEntries} files and folders`,
      );
    }
    if (entry.kind === "folder") layer.push({ kind: "folder", path, mtime: 0 });
    else if (entry.kind === "symlink") layer.push({ kind: "symlink", path, mtime: 0, target: entry.target });
    else {
      const content = await storeContent(staging, entry);
      layer.push({ kind: "file", path, mtime: 0, executable: (entry.mode & 0o111) !== 0, content });
    }
  }
  return layer;
}

/**
 * Makes what was prepared of its extra data a part of a stored image, in the canonical form of all files of an image, in
 * place of anything that it has in `extra/` itself. To be called while a pin is held. Throws `LIMIT_EXCEEDED`, `NO_SPACE`.
 */
export async function storeExtra(
  installation: Installation,
  image: StoredImage,
  entries: AsyncIterable<ExtraEntry>,
  signal?: AbortSignal,
): Promise<StoredImage> {
  noteBegin(installation);
  await using staging = new ObjectStaging(installation);
  const layer = await layerOf(staging, folderOf(image), entries, signal);
  const folder = imageFolder(installation, image.commit);
  const documents = {
    manifest: readPlainFile(join(folder, "manifest.json")),
    config: readPlainFile(join(folder, "config.json")),
  };
  const { diffIds } = decodeConfig(documents.config, folder);
  const root = treeOf(installation, diffIds, folder);
  if (root === undefined) throw new DowelError("STORE_INVALID", `${folder}: its layers are gone`);
  addExtra(root, diffIds.length, layer);
  await staging.commit();
  const view = subsetOf(viewOf(root, image.ref.kind, folder), image.subpaths);
  const records = new Map([...ownRecords(folder), [extraRecord, encodeRecord(layer.map(encodeEntry))]]);
  const made = imageOf({ ...image, view }, image.newObjects + staging.newObjects);
  const stored = writeImage(installation, made, documents, records);
  if (staging.broughtOnly(objectSizes(view))) noteEnd(installation);
  return stored;
}
