// SPDX-License-Identifier: Apache-2.0
import { Decoder, type JsonObject } from "../base/decode.ts";
import { DowelError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { decodeUtf8, encodeUtf8 } from "../base/text.ts";
import { type Descriptor, decodeDescriptor, encodeDescriptor, encodeMap } from "./descriptor.ts";
import { isIndexType, isManifestType, mediaTypes } from "./mediatypes.ts";

export interface ImageManifest {
  readonly kind: "manifest";
  readonly mediaType: string;
  readonly config: Descriptor;
  /** Lowest layer first. */
  readonly layers: readonly Descriptor[];
  readonly annotations: ReadonlyMap<string, string>;
  readonly artifactType?: string;
  readonly subject?: Descriptor;
}

export interface ImageIndex {
  readonly kind: "index";
  readonly mediaType: string;
  readonly manifests: readonly Descriptor[];
  readonly annotations: ReadonlyMap<string, string>;
  readonly artifactType?: string;
  readonly subject?: Descriptor;
}

export type OciDocument = ImageManifest | ImageIndex;

/**
 * Reads an image manifest or image index (OCI image specification 1.1, Docker manifest version 2 schema 2).
 * `mediaType` is what the transport said; a body that says otherwise, or that could be read as both kinds, is
 * refused, because two readers could then see two different images under one digest.
 */
export function decodeDocument(bytes: Uint8Array, mediaType: string, what: string): OciDocument {
  const decoder = new Decoder("OCI_MANIFEST_INVALID", what);
  const object = parseObject(decoder, bytes, what);
  if ("manifests" in object && "layers" in object)
    decoder.fail("", 'a manifest or an index, not both "layers" and "manifests"');
  const stated = decoder.optional(object["mediaType"], (text) => decoder.string(text, "mediaType"));
  if (stated !== undefined && stated !== mediaType) {
    throw new DowelError("OCI_MANIFEST_INVALID", `${what}: mediaType is ${stated}, but it came as ${mediaType}`);
  }
  if (object["schemaVersion"] !== 2) decoder.fail("schemaVersion", "2");
  if (isIndexType(mediaType)) return decodeIndexBody(decoder, object, mediaType);
  if (isManifestType(mediaType)) return decodeManifestBody(decoder, object, mediaType);
  throw new DowelError("OCI_MANIFEST_INVALID", `${what}: ${mediaType} is neither an image manifest nor an image index`);
}

export function decodeManifest(bytes: Uint8Array, mediaType: string, what: string): ImageManifest {
  const document = decodeDocument(bytes, mediaType, what);
  if (document.kind === "manifest") return document;
  throw new DowelError("OCI_MANIFEST_INVALID", `${what}: an image index, expected an image manifest`);
}

export function decodeIndex(bytes: Uint8Array, mediaType: string, what: string): ImageIndex {
  const document = decodeDocument(bytes, mediaType, what);
  if (document.kind === "index") return document;
  throw new DowelError("OCI_MANIFEST_INVALID", `${what}: an image manifest, expected an image index`);
}

/**
 * The media type of a body that came without one: what it says itself, else what its keys say.
 * Undefined where it is neither kind.
 */
export function guessMediaType(bytes: Uint8Array, what: string): string | undefined {
  const object = parseObject(new Decoder("OCI_MANIFEST_INVALID", what), bytes, what);
  const stated = object["mediaType"];
  if (typeof stated === "string") return stated;
  if ("manifests" in object) return mediaTypes.ociIndex;
  return "layers" in object ? mediaTypes.ociManifest : undefined;
}

/** The bytes of a manifest: fixed order of keys, maps sorted, no spaces. */
export function encodeManifest(manifest: Omit<ImageManifest, "kind">): Uint8Array {
  return encodeDocument({
    schemaVersion: 2,
    mediaType: manifest.mediaType,
    artifactType: manifest.artifactType,
    config: encodeDescriptor(manifest.config),
    layers: manifest.layers.map(encodeDescriptor),
    ...encodeTail(manifest),
  });
}

/** The bytes of an index: fixed order of keys, maps sorted, no spaces. */
export function encodeIndex(index: Omit<ImageIndex, "kind">): Uint8Array {
  return encodeDocument({
    schemaVersion: 2,
    mediaType: index.mediaType,
    artifactType: index.artifactType,
    manifests: index.manifests.map(encodeDescriptor),
    ...encodeTail(index),
  });
}

function encodeTail(document: Pick<ImageManifest, "annotations" | "subject">): object {
  return {
    ...(document.subject === undefined ? {} : { subject: encodeDescriptor(document.subject) }),
    ...(document.annotations.size === 0 ? {} : { annotations: encodeMap(document.annotations) }),
  };
}

function encodeDocument(value: object): Uint8Array {
  return encodeUtf8(JSON.stringify(value));
}

function parseObject(decoder: Decoder, bytes: Uint8Array, what: string): JsonObject {
  if (bytes.byteLength > limits.ociDocumentBytes) {
    throw new DowelError("LIMIT_EXCEEDED", `${what}: more than the ${limits.ociDocumentBytes} bytes allowed`);
  }
  const text = decodeUtf8(bytes) ?? decoder.fail("", "UTF-8 text");
  return decoder.object(decoder.parse(text), "");
}

function decodeManifestBody(decoder: Decoder, object: JsonObject, mediaType: string): ImageManifest {
  const layers = decoder.array(object["layers"], "layers");
  if (layers.length > limits.layersPerImage) decoder.fail("layers", `at most ${limits.layersPerImage} entries`);
  return {
    kind: "manifest",
    mediaType,
    config: decodeDescriptor(decoder, object["config"], "config"),
    layers: layers.map((item, at) => decodeDescriptor(decoder, item, `layers[${at}]`)),
    ...decodeTail(decoder, object),
  };
}

function decodeIndexBody(decoder: Decoder, object: JsonObject, mediaType: string): ImageIndex {
  const manifests = decoder.array(object["manifests"], "manifests");
  return {
    kind: "index",
    mediaType,
    manifests: manifests.map((item, at) => decodeDescriptor(decoder, item, `manifests[${at}]`)),
    ...decodeTail(decoder, object),
  };
}

function decodeTail(
  decoder: Decoder,
  object: JsonObject,
): Pick<ImageManifest, "annotations" | "artifactType" | "subject"> {
  const artifactType = decoder.optional(object["artifactType"], (text) => decoder.string(text, "artifactType"));
  const subject = decoder.optional(object["subject"], (item) => decodeDescriptor(decoder, item, "subject"));
  return {
    annotations: decoder.optional(object["annotations"], (map) => decoder.stringMap(map, "annotations")) ?? new Map(),
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(subject === undefined ? {} : { subject }),
  };
}
