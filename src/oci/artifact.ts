// SPDX-License-Identifier: Apache-2.0
import type { Descriptor } from "./descriptor.ts";
import { digestOf } from "./digest.ts";
import { encodeManifest, type ImageManifest } from "./manifest.ts";
import type { ImageDestination } from "./source.ts";

/** Stores bytes as a blob, where the destination does not have them yet. */
export async function putBytes(
  target: ImageDestination,
  bytes: Uint8Array,
  mediaType: string,
  signal: AbortSignal | undefined,
): Promise<Descriptor> {
  const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.byteLength };
  async function* chunks() {
    yield bytes;
  }
  if (!(await target.hasBlob(descriptor, signal))) await target.putBlob(descriptor, chunks(), signal);
  return descriptor;
}

/** Stores a manifest, under a tag where one is given. The blobs that it names must be there. */
export async function putDocument(
  target: ImageDestination,
  manifest: Omit<ImageManifest, "kind">,
  tag: string | undefined,
  signal: AbortSignal | undefined,
): Promise<Descriptor> {
  const bytes = encodeManifest(manifest);
  const { mediaType, artifactType } = manifest;
  const plain = { mediaType, digest: digestOf(bytes), size: bytes.byteLength };
  const descriptor = artifactType === undefined ? plain : { ...plain, artifactType };
  await target.putManifest({ descriptor, bytes }, tag, signal);
  return descriptor;
}
