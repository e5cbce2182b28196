// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";
import { decodeConfig, type ImageConfig } from "./config.ts";
import type { Descriptor } from "./descriptor.ts";
import { decodeFlatpakLabels, type FlatpakLabels } from "./labels.ts";
import { decodeDocument, type ImageManifest } from "./manifest.ts";
import { isConfigType } from "./mediatypes.ts";
import { choosePlatform } from "./platform.ts";
import type { ImageSource } from "./source.ts";

/** One image of one platform, with the bytes that were checked against its digests. */
export interface LoadedImage {
  readonly descriptor: Descriptor;
  readonly manifest: ImageManifest;
  readonly manifestBytes: Uint8Array;
  readonly config: ImageConfig;
  readonly configBytes: Uint8Array;
  /** Undefined where the image is not one for Flatpak. */
  readonly labels: FlatpakLabels | undefined;
}

/** An index may name another index; deeper than this it is a trick. */
const indexDepth = 3;

/**
 * Finds an image by tag, name or digest, chooses the platform (`arch` as Flatpak names it) where it is an index,
 * and reads manifest and config.
 */
export async function loadImage(
  source: ImageSource,
  reference: string | undefined,
  arch: string,
  signal?: AbortSignal,
): Promise<LoadedImage> {
  let { descriptor, bytes } = await source.resolve(reference, signal);
  for (let depth = 0; depth <= indexDepth; depth++) {
    const what = `${source.name}@${descriptor.digest}`;
    const document = decodeDocument(bytes, descriptor.mediaType, what);
    if (document.kind === "manifest") return finish(source, descriptor, bytes, document, signal);
    descriptor = choosePlatform(document, arch, what);
    bytes = await source.fetchDocument(descriptor, signal);
  }
  throw new DowelError("OCI_MANIFEST_INVALID", `${source.name}: indexes within indexes, more than ${indexDepth} deep`);
}

async function finish(
  source: ImageSource,
  descriptor: Descriptor,
  manifestBytes: Uint8Array,
  manifest: ImageManifest,
  signal: AbortSignal | undefined,
): Promise<LoadedImage> {
  const what = `${source.name}@${manifest.config.digest}`;
  if (!isConfigType(manifest.config.mediaType)) {
    throw new DowelError(
      "IMAGE_UNSUITABLE",
      `${what}: config is ${manifest.config.mediaType}, expected an image config`,
    );
  }
  const configBytes = await source.fetchDocument(manifest.config, signal);
  const config = decodeConfig(configBytes, what);
  if (config.diffIds.length !== manifest.layers.length) {
    throw new DowelError(
      "OCI_MANIFEST_INVALID",
      `${what}: rootfs.diff_ids has ${config.diffIds.length} entries for ${manifest.layers.length} layers`,
    );
  }
  return { descriptor, manifest, manifestBytes, config, configBytes, labels: decodeFlatpakLabels(config.labels, what) };
}
