// SPDX-License-Identifier: Apache-2.0
import { isDowelError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { readBody } from "./client/answer.ts";
import { Transport } from "./client/transport.ts";
import type { Descriptor } from "./descriptor.ts";
import { type Digest, digestOf, isDigest } from "./digest.ts";
import { decodeDocument, decodeManifest, type ImageManifest } from "./manifest.ts";
import { mediaTypes } from "./mediatypes.ts";
import type { ImageSource } from "./source.ts";

/** What makes a layer of another one. */
export interface LayerDelta {
  /** Digests of both layers' unpacked bytes. */
  readonly from: Digest;
  readonly to: Digest;
  readonly blob: Descriptor;
}

/** Where the manifest of an image's deltas lies, as a static index has it among the image's labels. */
export const deltaUrlLabel = "io.github.containers.DeltaUrl";

const target = "io.github.containers.delta.target";
const indexTag = "_deltaindex";
const tarDiff = "application/vnd.tar-diff";

/** The deltas that a manifest of deltas lists. What is malformed is passed over: an image can do without. */
function decodeDeltas(manifest: ImageManifest): readonly LayerDelta[] {
  return manifest.layers.flatMap((blob) => {
    const from = blob.annotations?.get("io.github.containers.delta.from");
    const to = blob.annotations?.get("io.github.containers.delta.to");
    if (blob.mediaType !== tarDiff || !isDigest(from ?? "") || !isDigest(to ?? "")) return [];
    return [{ from: from as Digest, to: to as Digest, blob }];
  });
}

async function fromIndex(source: ImageSource, image: Digest, signal: AbortSignal | undefined) {
  const found = await source.resolve(indexTag, signal);
  const what = `${source.name}:${indexTag}`;
  const document = decodeDocument(found.bytes, found.descriptor.mediaType, what);
  if (document.kind !== "index") return undefined;
  const entry = document.manifests.find(({ annotations }) => annotations?.get(target) === image);
  if (entry === undefined) return undefined;
  return decodeManifest(await source.fetchDocument(entry, signal), entry.mediaType, what);
}

async function fromUrl(url: string, image: Digest, signal: AbortSignal | undefined) {
  const transport = new Transport(`${new URL(url).origin}/`);
  const headers = { accept: mediaTypes.ociManifest };
  const answer = await transport.request({ method: "GET", url, headers, scopes: [], expect: [200], signal });
  const bytes = await readBody(answer, limits.ociDocumentBytes);
  const manifest = decodeManifest(bytes, mediaTypes.ociManifest, `${answer.what} (${digestOf(bytes)})`);
  return manifest.annotations.get(target) === image ? manifest : undefined;
}

/**
 * The deltas by which the layers of an image can be made of older ones: at the address that a static index gives, else
 * by the tag `_deltaindex` of its repository (flatpak-oci-specs, tar-diff). None where there are none, or where they
 * cannot be read: then layers are fetched whole.
 */
export async function findDeltas(
  source: ImageSource,
  image: Digest,
  url: string | undefined,
  signal?: AbortSignal,
): Promise<readonly LayerDelta[]> {
  const isUrl = url !== undefined && URL.canParse(url) && /^https?:/.test(url);
  try {
    const manifest = isUrl ? await fromUrl(url, image, signal) : await fromIndex(source, image, signal);
    return manifest === undefined ? [] : decodeDeltas(manifest);
  } catch (error) {
    if (!isDowelError(error) || error.code === "ABORTED") throw error;
    return [];
  }
}
