// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Decoder } from "../base/decode.ts";
import { isDowelError } from "../base/errors.ts";
import { writeCache } from "../sys/durability.ts";
import { removeSearchIndex } from "./search/store.ts";
import { decodeAbout, decodeFiles, encodeFiles } from "./shop/format.ts";
import type { ListedImage } from "./types.ts";

/** What was last heard from a remote. Where it comes from a file, `images` is read when it is first asked for. */
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

/**
 * The file has two lines: what a question needs, and the images, which are decoded while the question is under way. Of one
 * that a power cut left empty or cut short, one of the two is no JSON.
 */
class CacheFile implements CachedCatalogue {
  readonly url: string;
  readonly etag: string | undefined;
  readonly registry: string;
  readonly #decoder: Decoder;
  readonly #text: string;
  #images: readonly ListedImage[] | undefined;

  constructor(path: string, text: string) {
    const end = text.indexOf("\n");
    this.#decoder = new Decoder("SCHEMA", path);
    this.#text = text.slice(end + 1);
    const head = this.#decoder.object(this.#decoder.parse(text.slice(0, Math.max(end, 0))), "");
    this.url = this.#decoder.string(head["url"], "url");
    this.etag = this.#decoder.optional(head["etag"], (etag) => this.#decoder.string(etag, "etag"));
    this.registry = this.#decoder.string(head["registry"], "registry");
  }

  /** Throws `SCHEMA` where the file is damaged. */
  get images(): readonly ListedImage[] {
    const decoder = this.#decoder;
    this.#images ??= decoder
      .array(decoder.parse(this.#text), "images")
      .map((image, at) => decodeImage(decoder, image, `images[${at}]`));
    return this.#images;
  }
}

/** What is cached for a remote; undefined where nothing is, or nothing usable. */
export function readCachedCatalogue(folder: string, remote: string): CachedCatalogue | undefined {
  const path = cachePath(folder, remote);
  try {
    return new CacheFile(path, readFileSync(path, "utf8"));
  } catch (error) {
    // A cache that is absent, unreadable or damaged only costs another request.
    if (isDowelError(error, "SCHEMA") || (error instanceof Error && "code" in error)) return undefined;
    throw error;
  }
}

/** Keeps what a remote answered. Failing to (a full disk, another user's installation) does not matter. */
export function writeCachedCatalogue(folder: string, remote: string, catalogue: CachedCatalogue): void {
  const { url, etag, registry } = catalogue;
  const images = catalogue.images.map((image) => ({
    ...image,
    labels: Object.fromEntries(image.labels),
    appstream: image.appstream === undefined ? undefined : encodeFiles(image.appstream),
  }));
  try {
    mkdirSync(join(folder, "oci"), { recursive: true });
    const text = `${JSON.stringify({ url, etag, registry })}\n${JSON.stringify(images)}\n`;
    writeCache(cachePath(folder, remote), text);
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
  }
}

export function removeCachedCatalogue(folder: string, remote: string): void {
  rmSync(cachePath(folder, remote), { force: true });
  removeSearchIndex(folder, remote);
}

/** What is made of the cache; undefined where that is damaged, which only costs another request. */
export function usable<T>(make: () => T | undefined): T | undefined {
  try {
    return make();
  } catch (error) {
    if (isDowelError(error, "SCHEMA")) return undefined;
    throw error;
  }
}
