// SPDX-License-Identifier: Apache-2.0
import { toOciArch } from "../base/arch.ts";
import { Decoder, type JsonObject } from "../base/decode.ts";
import { DowelError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { digestHex, isDigest } from "../oci/digest.ts";
import { isManifestType } from "../oci/mediatypes.ts";
import type { ListedImage } from "./types.ts";

/** Flatpak's static index: the images of a remote and the registry that holds them. */
export interface StaticIndex {
  /** Address of the registry, relative to the index's own. */
  readonly registry: string;
  readonly images: readonly ListedImage[];
}

/**
 * The address of a remote's static index, its parameters in the order that Flatpak sends them.
 * Without an architecture or a tag the index is asked for all of them.
 */
export function staticIndexUrl(baseUrl: string, arch: string | undefined, tag: string | undefined): string {
  const folder = baseUrl.endsWith("/index/") ? baseUrl : `${baseUrl}index/`;
  const parameters = [
    ...(arch === undefined ? [] : [`architecture=${encodeURIComponent(toOciArch(arch))}`]),
    "label%3Aorg.flatpak.ref%3Aexists=1",
    "os=linux",
    ...(tag === undefined ? [] : [`tag=${encodeURIComponent(tag)}`]),
  ];
  return `${folder}static?${parameters.join("&")}`;
}

function decodeTags(decoder: Decoder, value: unknown, path: string): readonly string[] {
  const tags = decoder.optional(value, (list) => decoder.array(list, path)) ?? [];
  return tags.filter((tag) => typeof tag === "string");
}

function decodeImage(decoder: Decoder, repository: string, value: unknown, path: string): ListedImage | undefined {
  const image: JsonObject = decoder.object(value, path);
  const digest = decoder.string(image["Digest"], `${path}.Digest`);
  const mediaType = decoder.string(image["MediaType"], `${path}.MediaType`);
  const os = decoder.string(image["OS"], `${path}.OS`);
  if (!isDigest(digest) || !digest.startsWith("sha256:") || !isManifestType(mediaType) || os !== "linux") {
    return undefined;
  }
  return {
    repository,
    commit: digestHex(digest),
    tags: decodeTags(decoder, image["Tags"], `${path}.Tags`),
    labels: decoder.optional(image["Labels"], (map) => decoder.stringMap(map, `${path}.Labels`)) ?? new Map(),
  };
}

function decodeResult(decoder: Decoder, value: unknown, path: string): ListedImage[] {
  const result = decoder.object(value, path);
  const name = decoder.string(result["Name"], `${path}.Name`);
  const imagesAt = (list: unknown, where: string): ListedImage[] =>
    (decoder.optional(list, (images) => decoder.array(images, where)) ?? []).flatMap(
      (item, at) => decodeImage(decoder, name, item, `${where}[${at}]`) ?? [],
    );
  const lists = decoder.optional(result["Lists"], (value) => decoder.array(value, `${path}.Lists`)) ?? [];
  const listed = lists.flatMap((item, at) => {
    const where = `${path}.Lists[${at}]`;
    const list = decoder.object(item, where);
    const tags = decodeTags(decoder, list["Tags"], `${where}.Tags`);
    return imagesAt(list["Images"], `${where}.Images`).map((image) => ({ ...image, tags: [...image.tags, ...tags] }));
  });
  return [...imagesAt(result["Images"], `${path}.Images`), ...listed];
}

/**
 * Reads a static index (flatpak-oci-specs, `registry-index.md`). Images of other systems, other digests and other
 * media types are left out. Throws `REGISTRY_RESPONSE` where the document has not the index's form.
 */
export function parseStaticIndex(text: string, what: string): StaticIndex {
  const decoder = new Decoder("REGISTRY_RESPONSE", what);
  const index = decoder.object(decoder.parse(text), "");
  const results = decoder.array(index["Results"], "Results");
  const images: ListedImage[] = [];
  for (const [at, result] of results.entries()) {
    for (const image of decodeResult(decoder, result, `Results[${at}]`)) images.push(image);
    if (images.length > limits.cataloguedImages) {
      throw new DowelError("LIMIT_EXCEEDED", `${what}: more than ${limits.cataloguedImages} images`);
    }
  }
  return { registry: decoder.string(index["Registry"], "Registry"), images };
}
