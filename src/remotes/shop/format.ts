// SPDX-License-Identifier: Apache-2.0
/**
 * The catalogue of a namespace: an OCI artifact that lists its apps and runtimes, for registries that offer no list
 * of their own that is worth asking. It lies in the repository `NAMESPACE/catalogue`.
 *
 * - Every published image has an entry: an artifact manifest of type `entryType` under a tag of its own (`tags.ts`).
 *   Its first layer is the entry as JSON; AppStream data and icons follow as further layers.
 * - The tag `latest` is an artifact manifest of type `catalogueType`. Its one layer, JSON in zstd, has all entries, so
 *   that a client needs one request to see that nothing has changed and two more to read what has.
 *
 * The entries are the truth and `latest` is made from them. Publishers write entries of their own only, and so lose
 * nothing of each other's, although registries cannot write on a condition (`publish.ts`).
 */
import { Decoder, type JsonObject } from "../../base/decode.ts";
import { DowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { decodeUtf8, encodeUtf8 } from "../../base/text.ts";
import type { Appdata } from "../../metadata/appdata.ts";
import { type Descriptor, decodeDescriptor, encodeDescriptor, encodeMap } from "../../oci/descriptor.ts";
import { type Digest, isDigest } from "../../oci/digest.ts";
import { isRepositoryName } from "../../oci/reference.ts";

export const catalogueType = "application/vnd.dowel.catalogue.v1+json";
export const catalogueLayerType = "application/vnd.dowel.catalogue.v1+json+zstd";
export const entryType = "application/vnd.dowel.catalogue.entry.v1+json";

/** One image of a catalogue. */
export interface Entry {
  /** Below the namespace. */
  readonly repository: string;
  /** Of the image's manifest. */
  readonly digest: Digest;
  readonly tags: readonly string[];
  /** Labels of the image, but for AppStream data. */
  readonly labels: ReadonlyMap<string, string>;
  /** What the AppStream data say in short. */
  readonly about: Appdata;
  /** AppStream data and icons by their labels' names without the common part: `appdata`, `icon-64`, `icon-128`. */
  readonly appstream: ReadonlyMap<string, Descriptor>;
}

/** An entry under the tag that it was published by. */
export interface TaggedEntry {
  readonly tag: string;
  readonly entry: Entry;
}

const aboutKeys = ["name", "summary", "version", "license", "keywords"] as const satisfies (keyof Appdata)[];

/** Descriptors by name as an object of JSON. */
export function encodeFiles(files: Entry["appstream"]): object {
  return Object.fromEntries([...files].map(([name, descriptor]) => [name, encodeDescriptor(descriptor)]));
}

export function decodeFiles(decoder: Decoder, value: unknown, path: string): Entry["appstream"] {
  const items = Object.entries(decoder.object(value, path));
  return new Map(items.map(([name, item]) => [name, decodeDescriptor(decoder, item, `${path}.${name}`)]));
}

function encodeEntryObject({ repository, digest, tags, labels, about, appstream }: Entry): object {
  return { repository, digest, tags, labels: encodeMap(labels), about, appstream: encodeFiles(appstream) };
}

export function decodeAbout(decoder: Decoder, value: unknown, path: string): Appdata {
  const object = decoder.object(value ?? {}, path);
  const texts = aboutKeys.flatMap((key) => {
    const text = decoder.optional(object[key], (item) => decoder.string(item, `${path}.${key}`));
    return text === undefined ? [] : [[key, text] as const];
  });
  return Object.fromEntries(texts);
}

function decodeEntryObject(decoder: Decoder, value: unknown, path: string): Entry {
  const object: JsonObject = decoder.object(value, path);
  const repository = decoder.string(object["repository"], `${path}.repository`);
  const digest = decoder.string(object["digest"], `${path}.digest`);
  if (!isRepositoryName(repository)) decoder.fail(`${path}.repository`, "the name of a repository below the namespace");
  if (!isDigest(digest) || !digest.startsWith("sha256:")) decoder.fail(`${path}.digest`, "sha256:HEX in lower case");
  const tags = decoder.array(object["tags"] ?? [], `${path}.tags`);
  return {
    repository,
    digest,
    tags: tags.map((tag, at) => decoder.string(tag, `${path}.tags[${at}]`)),
    labels: decoder.stringMap(object["labels"], `${path}.labels`),
    about: decodeAbout(decoder, object["about"], `${path}.about`),
    appstream: decodeFiles(decoder, object["appstream"] ?? {}, `${path}.appstream`),
  };
}

export function encodeEntry(entry: Entry): Uint8Array {
  return encodeUtf8(JSON.stringify(encodeEntryObject(entry)));
}

/** Reads one entry. Throws `REGISTRY_RESPONSE` for what is none. */
export function decodeEntry(bytes: Uint8Array, what: string): Entry {
  const decoder = new Decoder("REGISTRY_RESPONSE", what);
  return decodeEntryObject(decoder, decoder.parse(decodeUtf8(bytes) ?? decoder.fail("", "UTF-8 text")), "entry");
}

/** The JSON of a whole catalogue; equal entries give equal bytes. */
export function encodeCatalogue(entries: readonly TaggedEntry[]): Uint8Array {
  const sorted = [...entries].sort((left, right) => (left.tag < right.tag ? -1 : 1));
  const images = sorted.map(({ tag, entry }) => ({ tag, ...encodeEntryObject(entry) }));
  return encodeUtf8(JSON.stringify({ version: 1, images }));
}

/** Reads a whole catalogue. Throws `REGISTRY_RESPONSE` for what is none, or too long. */
export function decodeCatalogue(bytes: Uint8Array, what: string): readonly TaggedEntry[] {
  const decoder = new Decoder("REGISTRY_RESPONSE", what);
  const object = decoder.object(decoder.parse(decodeUtf8(bytes) ?? decoder.fail("", "UTF-8 text")), "");
  if (object["version"] !== 1) decoder.fail("version", "1");
  const images = decoder.array(object["images"], "images");
  if (images.length > limits.cataloguedImages) {
    throw new DowelError("LIMIT_EXCEEDED", `${what}: more than ${limits.cataloguedImages} images`);
  }
  return images.map((item, at) => {
    const path = `images[${at}]`;
    const tag = decoder.string(decoder.object(item, path)["tag"], `${path}.tag`);
    return { tag, entry: decodeEntryObject(decoder, item, path) };
  });
}
