// SPDX-License-Identifier: Apache-2.0
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { DowelError } from "../../base/errors.ts";
import { fsVerityDigest } from "../../formats/fsverity/digest.ts";
import type { Ref } from "../../metadata/ref.ts";
import { decodeConfig } from "../../oci/config.ts";
import type { Digest } from "../../oci/digest.ts";
import { readPlainFile } from "../../sys/plainfile.ts";
import type { Installation } from "../installation.ts";
import { type ObjectList, objectListOf } from "../objects/list.ts";
import { composefsOf } from "./composefs.ts";
import { addExtra, loadExtra } from "./extra.ts";
import { refOfLabels } from "./identity.ts";
import { LayerStack } from "./layers.ts";
import { loadRecord } from "./record.ts";
import { parseSubpaths, subsetOf } from "./subset.ts";
import { type FileNode, type FolderNode, filesOf } from "./tree.ts";
import { type ImageView, viewOf } from "./view.ts";

/** What an import found out about an image. */
export interface ImageFacts {
  /** Manifest digest, 64 hex digits. */
  readonly commit: string;
  readonly ref: Ref;
  readonly labels: ReadonlyMap<string, string>;
  /** Text of the metadata keyfile. */
  readonly metadata: string;
  readonly view: ImageView;
  /** The folders that the view has, where it is not all of the image; see subset.ts. */
  readonly subpaths: readonly string[];
  /** Bytes of all layers as they are transferred. */
  readonly downloadSize: number;
}

/** An image of an installation, ready to be deployed. */
export interface StoredImage extends ImageFacts {
  /** fs-verity digest of `image.cfs`, hex. */
  readonly imageDigest: string;
  /** Bytes of all files that are shown. */
  readonly installedSize: number;
  /** How many files are shown. */
  readonly files: number;
  /** How many objects the import added; 0 where the image was here already. */
  readonly newObjects: number;
  /**
   * Whether the image was written just now, and each object was looked at and is as large as it should be, under the pin
   * that the importer still holds.
   */
  readonly isWhole: boolean;
}

export function imageFolder(installation: Pick<Installation, "images">, commit: string): string {
  return join(installation.images, commit);
}

/** The composefs image of a commit. */
export function imageFile(installation: Pick<Installation, "images">, commit: string): string {
  return join(imageFolder(installation, commit), "image.cfs");
}

/** In the folder of an image: the folders that are shown of it, where these are not all. */
export const subpathsFile = "subpaths";

/** The folders that a stored image shows; all where it is whole, or not there. */
export function storedSubpaths(installation: Pick<Installation, "images">, commit: string): readonly string[] {
  const path = join(imageFolder(installation, commit), subpathsFile);
  return existsSync(path) ? parseSubpaths(readPlainFile(path).toString().split("\n")) : [];
}

/** The fs-verity digest (hex) of a folder's `image.cfs`, as it was written; undefined where there is no image. */
export function storedDigest(folder: string): string | undefined {
  const path = join(folder, "digest");
  return existsSync(path) ? readPlainFile(path).toString().trim() : undefined;
}

/** The records that only the image with this folder may use, by name. */
export function ownRecords(folder: string): ReadonlyMap<string, string> {
  if (!existsSync(folder)) return new Map();
  const names = readdirSync(folder).filter((name) => name.startsWith("record-"));
  return new Map(names.map((name) => [name, readPlainFile(join(folder, name)).toString()]));
}

/** What can be said of an image before it is stored, and its composefs image. */
export interface MadeImage {
  readonly image: StoredImage;
  readonly composefs: Uint8Array;
  readonly objects: ObjectList;
}

/** `seen`: the image's objects, where all of them were looked at. */
export function imageOf(facts: ImageFacts, newObjects: number, seen?: ReadonlyMap<string, number>): MadeImage {
  const composefs = composefsOf(facts.view.root);
  const digest = Buffer.from(fsVerityDigest(composefs)).toString("hex");
  const image = { ...describe(facts, digest, newObjects), isWhole: seen !== undefined };
  return { image, composefs, objects: objectListOf(seen ?? objectSizes(facts.view)) };
}

function describe(facts: ImageFacts, imageDigest: string, newObjects: number): StoredImage {
  let files = 0;
  let installedSize = 0;
  for (const file of filesOf(facts.view.root)) {
    files += 1;
    installedSize += file.content.size;
  }
  return { ...facts, imageDigest, files, installedSize, newObjects, isWhole: false };
}

/** All objects that an image needs with their sizes: what is shown, what is exported, and its metadata file. */
export function objectSizes(view: ImageView): ReadonlyMap<string, number> {
  const digests = new Map<string, number>();
  const add = ({ content }: FileNode): void => {
    if (content.size > 0 && content.inline === undefined) digests.set(content.digest, content.size);
  };
  for (const file of filesOf(view.root)) add(file);
  if (view.exported !== undefined) for (const file of filesOf(view.exported)) add(file);
  if (view.metadata !== undefined) add(view.metadata);
  return digests;
}

/**
 * An image that an earlier import brought; undefined where it is not here, or where the records of its layers are
 * gone, so that it must be imported again.
 */
export function loadImage(installation: Installation, commit: string): StoredImage | undefined {
  const folder = imageFolder(installation, commit);
  const digest = storedDigest(folder);
  if (digest === undefined) return undefined;
  const read = (name: string): string => readPlainFile(join(folder, name)).toString();
  try {
    const config = decodeConfig(readPlainFile(join(folder, "config.json")), folder);
    const root = treeOf(installation, config.diffIds, folder);
    if (root === undefined) return undefined;
    const ref = refOfLabels(config.labels, folder);
    const subpaths = storedSubpaths(installation, commit);
    const facts: ImageFacts = {
      commit,
      ref,
      labels: config.labels,
      metadata: read("metadata"),
      view: subsetOf(viewOf(root, ref.kind, folder), subpaths),
      subpaths,
      downloadSize: Number(read("download-size")),
    };
    return describe(facts, digest, 0);
  } catch (cause) {
    throw new DowelError("STORE_INVALID", `${folder}: the stored image is damaged`, {
      hint: "Run: dowel repair",
      cause,
    });
  }
}

/**
 * The tree that the layers of the image with the folder `image` make, from their records, with its extra data; undefined
 * where a record of a layer is gone. Throws `STORE_INVALID`.
 */
export function treeOf(installation: Installation, diffIds: readonly Digest[], image: string): FolderNode | undefined {
  const stack = new LayerStack();
  for (const diffId of diffIds) {
    const entries = loadRecord(installation, diffId, image);
    if (entries === undefined) return undefined;
    stack.beginLayer();
    for (const entry of entries) stack.add(entry);
  }
  const extra = loadExtra(image);
  if (extra !== undefined) addExtra(stack.root, diffIds.length, extra);
  return stack.root;
}
