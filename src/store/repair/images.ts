// SPDX-License-Identifier: Apache-2.0
import { lstatSync } from "node:fs";
import { join } from "node:path";
import { DowelError, errnoOf, fileError, isDowelError } from "../../base/errors.ts";
import { fsVerityDigest } from "../../formats/fsverity/digest.ts";
import { decodeConfig, type ImageConfig } from "../../oci/config.ts";
import { type Digest, digestAlgorithm, digestHex, digestOf } from "../../oci/digest.ts";
import { decodeManifest, guessMediaType, type ImageManifest } from "../../oci/manifest.ts";
import { readPlainFile } from "../../sys/plainfile.ts";
import { extraRecord, loadExtra } from "../image/extra.ts";
import { metadataOf, refOfLabels } from "../image/identity.ts";
import { loadRecord, ownRecordName } from "../image/record.ts";
import {
  type ImageFacts,
  imageFolder,
  imageOf,
  objectSizes,
  type StoredImage,
  storedSubpaths,
  treeOf,
} from "../image/stored.ts";
import { subsetOf } from "../image/subset.ts";
import { type ImageView, viewOf } from "../image/view.ts";
import { writeImage } from "../image/write.ts";
import type { Installation } from "../installation.ts";
import { visitObjects } from "../objects/list.ts";
import { objectPath } from "../objects/paths.ts";
import { removeWithin } from "./removal.ts";

/** What is wrong with an image, and what its own parts still allow. */
export type ImageState =
  | { readonly state: "sound"; readonly image: StoredImage }
  /** Can be made again of manifest, config and the records of its layers. */
  | {
      readonly state: "mendable";
      readonly image: StoredImage;
      readonly path: string;
      readonly problem: string;
      readonly mend: () => void;
    }
  | {
      readonly state: "lost";
      readonly kind: "image" | "layer";
      readonly path: string;
      readonly what: "missing" | "damaged";
      readonly problem: string;
    };

interface Documents {
  readonly manifest: Buffer;
  readonly config: Buffer;
  readonly decodedManifest: ImageManifest;
  readonly decodedConfig: ImageConfig;
}

/**
 * Compares the parts of an image with each other: manifest with its name, config with the manifest, the tree that the
 * records of layers make with the composefs image, its digest, the list of objects and the metadata. `expected` is what
 * the deployment says the digest of the composefs image is.
 */
export function checkImage(installation: Installation, commit: string, expected: string | undefined): ImageState {
  const path = imageFolder(installation, commit);
  const lost = (problem: string): ImageState => ({ state: "lost", kind: "image", path, what: "damaged", problem });
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) {
    return { state: "lost", kind: "image", path, what: "missing", problem: "a deployment needs this image" };
  }
  try {
    const documents = readDocuments(path, commit);
    const badLayer = findBadLayer(installation, documents.decodedConfig.diffIds, path);
    if (badLayer !== undefined) return { state: "lost", kind: "layer", ...badLayer };
    const facts = derive(installation, path, commit, documents);
    if (facts === undefined) return lost("its layers do not make an image");
    return compare(installation, path, facts, documents, expected);
  } catch (error) {
    if (isDowelError(error)) return lost(error.message);
    throw error;
  }
}

/** Makes an image that is lost count as not imported, so that an import writes it anew. Records that lie go, too. */
export function forgetImage(installation: Installation, commit: string, withRecords: boolean): void {
  const folder = imageFolder(installation, commit);
  const remove = (path: string): void => removeWithin(installation, path);
  if (lstatSync(folder).isDirectory()) remove(join(folder, "digest"));
  else remove(folder);
  if (!withRecords) return;
  remove(join(folder, extraRecord));
  const diffIds = decodeConfig(read(join(folder, "config.json")), folder).diffIds;
  for (const diffId of diffIds) {
    remove(join(installation.layers, digestHex(diffId)));
    remove(join(folder, ownRecordName(diffId)));
  }
}

function readDocuments(folder: string, commit: string): Documents {
  const manifest = read(join(folder, "manifest.json"));
  checkDigest(manifest, `sha256:${commit}` as Digest, join(folder, "manifest.json"));
  const decodedManifest = decodeManifest(manifest, guessMediaType(manifest, folder) ?? "", folder);
  const config = read(join(folder, "config.json"));
  checkDigest(config, decodedManifest.config.digest, join(folder, "config.json"));
  return { manifest, config, decodedManifest, decodedConfig: decodeConfig(config, folder) };
}

function checkDigest(bytes: Uint8Array, expected: Digest, path: string): void {
  const found = digestOf(bytes, digestAlgorithm(expected));
  if (found !== expected) throw new DowelError("STORE_INVALID", `${path}: digest is ${found}, expected ${expected}`);
}

interface BadLayer {
  readonly path: string;
  readonly what: "missing" | "damaged";
  readonly problem: string;
}

/** Extra data are one more layer. */
function findBadLayer(installation: Installation, diffIds: readonly Digest[], image: string): BadLayer | undefined {
  for (const diffId of diffIds) {
    const path = join(installation.layers, digestHex(diffId));
    try {
      if (loadRecord(installation, diffId, image) === undefined) {
        return { path, what: "missing", problem: "an image needs this record of a layer" };
      }
    } catch (error) {
      if (isDowelError(error)) return { path, what: "damaged", problem: "not a record of a layer" };
      throw error;
    }
  }
  return findBadExtra(image);
}

function findBadExtra(image: string): BadLayer | undefined {
  try {
    loadExtra(image);
    return undefined;
  } catch (error) {
    if (!isDowelError(error)) throw error;
    return { path: join(image, extraRecord), what: "damaged", problem: "not a record of extra data" };
  }
}

function derive(
  installation: Installation,
  name: string,
  commit: string,
  { decodedConfig: config, decodedManifest: manifest }: Documents,
): ImageFacts | undefined {
  const root = treeOf(installation, config.diffIds, imageFolder(installation, commit));
  if (root === undefined) return undefined;
  const ref = refOfLabels(config.labels, name);
  const subpaths = storedSubpaths(installation, commit);
  const view = subsetOf(viewOf(root, ref.kind, name), subpaths);
  return {
    commit,
    ref,
    labels: config.labels,
    metadata: metadataOf(config.labels, metadataFile(installation, view), ref, name),
    view,
    subpaths,
    downloadSize: manifest.layers.reduce((sum, layer) => sum + layer.size, 0),
  };
}

/** The file `metadata`; where it has gone, the label alone must do. */
function metadataFile(installation: Installation, { metadata }: ImageView): Uint8Array | undefined {
  if (metadata === undefined) return undefined;
  const { inline, size, digest } = metadata.content;
  if (inline !== undefined || size === 0) return inline ?? new Uint8Array(0);
  try {
    const bytes = readPlainFile(objectPath(installation, digest));
    return Buffer.from(fsVerityDigest(bytes)).toString("hex") === digest ? bytes : undefined;
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || isDowelError(error)) return undefined;
    throw error;
  }
}

function compare(
  installation: Installation,
  folder: string,
  facts: ImageFacts,
  documents: Documents,
  expected: string | undefined,
): ImageState {
  const { image } = imageOf(facts, 0);
  const noted = readIfThere(join(folder, "digest"))?.toString().trim();
  const cfs = readIfThere(join(folder, "image.cfs"));
  const shown = cfs === undefined ? undefined : Buffer.from(fsVerityDigest(cfs)).toString("hex");
  if (![noted, shown, expected].includes(image.imageDigest)) {
    const problem = "the records of its layers make another tree";
    return { state: "lost", kind: "layer", path: folder, what: "damaged", problem };
  }
  const problem =
    shown !== image.imageDigest
      ? `image.cfs is ${shown === undefined ? "missing" : "damaged"}`
      : noted !== image.imageDigest
        ? "the file digest is missing or damaged"
        : differenceOf(installation, folder, image);
  if (problem === undefined) return { state: "sound", image };
  const mend = (): void => {
    forgetImage(installation, image.commit, false);
    writeImage(installation, imageOf(facts, 0), documents);
  };
  return { state: "mendable", image, path: folder, problem, mend };
}

function differenceOf(installation: Installation, folder: string, image: StoredImage): string | undefined {
  if (readIfThere(join(folder, "metadata"))?.toString() !== image.metadata) return "its metadata is missing or damaged";
  const size = readIfThere(join(folder, "download-size"))?.toString().trim();
  if (size !== String(image.downloadSize)) return "its size is missing or damaged";
  const left = new Map(objectSizes(image.view));
  let wrong = 0;
  try {
    visitObjects(installation, image.commit, (digest, bytes) => {
      if (left.get(digest) === bytes) left.delete(digest);
      else wrong += 1;
    });
  } catch (error) {
    if (isDowelError(error)) return error.message;
    throw error;
  }
  return left.size + wrong === 0 ? undefined : `objects.list lacks ${left.size} objects and has ${wrong} wrong ones`;
}

function readIfThere(path: string): Buffer | undefined {
  try {
    return readPlainFile(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || isDowelError(error)) return undefined;
    throw fileError(error, "read", path);
  }
}

function read(path: string): Buffer {
  try {
    return readPlainFile(path);
  } catch (error) {
    throw fileError(error, "read", path);
  }
}
