// SPDX-License-Identifier: Apache-2.0
import type { Decoder } from "../base/decode.ts";
import { compareBytes } from "../base/text.ts";
import { type Digest, isDigest } from "./digest.ts";

/** A platform as an image index names it; names are Go's (`amd64`, `arm64`). */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

/** An OCI content descriptor; `size` is in bytes. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly annotations?: ReadonlyMap<string, string>;
  readonly artifactType?: string;
  readonly platform?: Platform;
}

export function decodeDescriptor(decoder: Decoder, value: unknown, path: string): Descriptor {
  const object = decoder.object(value, path);
  const digest = decoder.string(object["digest"], `${path}.digest`);
  if (!isDigest(digest)) decoder.fail(`${path}.digest`, "sha256:HEX or sha512:HEX in lower case");
  const annotations = decoder.optional(object["annotations"], (map) => decoder.stringMap(map, `${path}.annotations`));
  const artifactType = decoder.optional(object["artifactType"], (text) => decoder.string(text, `${path}.artifactType`));
  const platform = decoder.optional(object["platform"], (item) => decodePlatform(decoder, item, `${path}.platform`));
  return {
    mediaType: decoder.string(object["mediaType"], `${path}.mediaType`),
    digest,
    size: decoder.size(object["size"], `${path}.size`),
    ...(annotations === undefined ? {} : { annotations }),
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(platform === undefined ? {} : { platform }),
  };
}

function decodePlatform(decoder: Decoder, value: unknown, path: string): Platform {
  const object = decoder.object(value, path);
  const variant = decoder.optional(object["variant"], (text) => decoder.string(text, `${path}.variant`));
  return {
    os: decoder.string(object["os"], `${path}.os`),
    architecture: decoder.string(object["architecture"], `${path}.architecture`),
    ...(variant === undefined || variant === "" ? {} : { variant }),
  };
}

/** The JSON value of a descriptor, keys in the order of the specification. */
export function encodeDescriptor(descriptor: Descriptor): object {
  const { mediaType, digest, size, annotations, artifactType, platform } = descriptor;
  return {
    mediaType,
    digest,
    size,
    ...(annotations === undefined || annotations.size === 0 ? {} : { annotations: encodeMap(annotations) }),
    ...(platform === undefined
      ? {}
      : { platform: { architecture: platform.architecture, os: platform.os, variant: platform.variant } }),
    ...(artifactType === undefined ? {} : { artifactType }),
  };
}

/** The JSON value of a string map, keys in byte order, so that equal maps give equal bytes. */
export function encodeMap(map: ReadonlyMap<string, string>): object {
  return Object.fromEntries([...map].sort(([left], [right]) => compareBytes(left, right)));
}
