// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Decoder } from "../base/decode.ts";
import { isDowelError } from "../base/errors.ts";
import { writeFileDurably } from "../sys/durability.ts";
import { removeSearchIndex } from "./search/store.ts";
import { decodeAbout, decodeFiles, encodeFiles } from "./shop/format.ts";
import type { ListedImage } from "./types.ts";

/** What was last heard from a remote. */
export interface CachedCatalogue {
  /** The address that was asked; an answer to another one is no use. */
  readonly url: string;
  readonly etag: string | undefined;
  /** Base address of the registry that holds the images. */
  readonly registry: string;
  readonly images: readonly ListedImage[];
}

/** The folder is that of an installation. */
function cachePath(folder: string, remote: string): string {
  return join(folder, "oci", `${remote}.index.json`);
}

function decodeImage(decoder: Decoder, value: unknown, path: string): ListedImage {
  const image = decoder.object(value, path);
  return {
    repository: decoder.string(image["repository"], `${path}.repository`),
    commit: decoder.string(image["commit"], `${path}.commit`),
    tags: decoder.array(image["tags"], `${path}.tags`).map((tag) => decoder.string(tag, `${path}.tags`)),
    labels: decoder.stringMap(image["labels"], `${path}.labels`),
    ...(image["about"] === undefined ? {} : { about: decodeAbout(decoder, image["about"], `${path}.about`) }),
    ...(image["appstream"] === undefined
      ? {}
      : { appstream: decodeFiles(decoder, image["appstream"], `${path}.appstream`) }),
  };
}

/** What is cached for a remote; undefined where nothing is, or nothing usable. */
export function readCachedCatalogue(folder: string, remote: string): CachedCatalogue | undefined {
  const path = cachePath(folder, remote);
  const decoder = new Decoder("SCHEMA", path);
  try {
    const object = decoder.object(decoder.parse(readFileSync(path, "utf8")), "");
    return {
      url: decoder.string(object["url"], "url"),
      etag: decoder.optional(object["etag"], (etag) => decoder.string(etag, "etag")),
      registry: decoder.string(object["registry"], "registry"),
      images: decoder
        .array(object["images"], "images")
        .map((image, at) => decodeImage(decoder, image, `images[${at}]`)),
    };
  } catch (error) {
    // A cache that is absent, unreadable or damaged only costs another request.
    if (isDowelError(error, "SCHEMA") || (error instanceof Error && "code" in error)) return undefined;
    throw error;
  }
}

/** Keeps what a remote answered. Failing to (a full disk, another user's installation) does not matter. */
export function writeCachedCatalogue(folder: string, remote: string, catalogue: CachedCatalogue): void {
  const images = catalogue.images.map((image) => ({
    ...image,
    labels: Object.fromEntries(image.labels),
    appstream: image.appstream === undefined ? undefined : encodeFiles(image.appstream),
  }));
  try {
    mkdirSync(join(folder, "oci"), { recursive: true });
    writeFileDurably(cachePath(folder, remote), JSON.stringify({ ...catalogue, images }));
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
  }
}

export function removeCachedCatalogue(folder: string, remote: string): void {
  rmSync(cachePath(folder, remote), { force: true });
  removeSearchIndex(folder, remote);
}
