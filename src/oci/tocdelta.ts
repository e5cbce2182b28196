// SPDX-License-Identifier: Apache-2.0
import { limits } from "../base/limits.ts";
import { encodeUtf8 } from "../base/text.ts";
import { putBytes, putDocument } from "./artifact.ts";
import type { Repository } from "./client/registry.ts";
import type { Descriptor } from "./descriptor.ts";
import { type Digest, isDigest } from "./digest.ts";
import { decodeManifest } from "./manifest.ts";
import { mediaTypes } from "./mediatypes.ts";
import type { ImageSource } from "./source.ts";

/** How to make the table of contents of a layer of one that an earlier layer had. */
export interface TocDelta {
  /** Digest of the earlier layer's unpacked bytes, and of its packed table. */
  readonly fromLayer: Digest;
  readonly from: string;
  /** Digest of the packed table that comes of it. */
  readonly to: string;
}

const artifactType = "application/vnd.dowel.toc-delta.v1";
const blobType = "application/vnd.dowel.toc-delta.v1+zstd";
const keys = {
  fromLayer: "org.dowel.toc-delta.from-diff-id",
  from: "org.dowel.toc-delta.from",
  to: "org.dowel.toc-delta.to",
} as const;

/** Hangs deltas on the manifest of the image whose tables they make: an artifact that refers to it, which others pass over. */
export async function attachTocDeltas(
  target: Repository,
  subject: Descriptor,
  deltas: readonly (TocDelta & { readonly bytes: Uint8Array })[],
  signal?: AbortSignal,
): Promise<void> {
  const layers: Descriptor[] = [];
  for (const { bytes, fromLayer, from, to } of deltas) {
    const annotations = new Map<string, string>([
      [keys.fromLayer, fromLayer],
      [keys.from, from],
      [keys.to, to],
    ]);
    layers.push({ ...(await putBytes(target, bytes, blobType, signal)), annotations });
  }
  const document = {
    mediaType: mediaTypes.ociManifest,
    artifactType,
    config: await putBytes(target, encodeUtf8("{}"), mediaTypes.ociEmpty, signal),
    layers,
    annotations: new Map<string, string>(),
    subject: { mediaType: subject.mediaType, digest: subject.digest, size: subject.size },
  };
  await putDocument(target, document, undefined, signal);
}

/** The deltas that hang on a manifest, with the descriptors of their bytes; nothing in them is checked. */
export async function findTocDeltas(
  source: ImageSource,
  manifest: Digest,
  signal?: AbortSignal,
): Promise<readonly (TocDelta & { readonly blob: Descriptor })[]> {
  const referrers = (await source.referrers?.(manifest, artifactType, signal)) ?? [];
  const found: (TocDelta & { readonly blob: Descriptor })[] = [];
  for (const referrer of referrers.slice(-limits.tocDeltasPerImage)) {
    const bytes = await source.fetchDocument(referrer, signal);
    const { layers } = decodeManifest(bytes, referrer.mediaType, `${source.name}@${referrer.digest}`);
    for (const blob of layers) {
      const [fromLayer = "", from = "", to = ""] = [keys.fromLayer, keys.from, keys.to].map((key) =>
        blob.annotations?.get(key),
      );
      if (blob.mediaType === blobType && isDigest(fromLayer)) found.push({ fromLayer, from, to, blob });
    }
  }
  return found;
}
