// SPDX-License-Identifier: Apache-2.0
import type { Repository } from "./client/registry.ts";
import type { Descriptor } from "./descriptor.ts";
import { digestOf } from "./digest.ts";
import { encodeManifest, type ImageManifest } from "./manifest.ts";

/** Stores bytes as a blob, where the repository does not have them yet. */
export async function putBytes(
  target: Repository,
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
  target: Repository,
  manifest: Omit<ImageManifest, "kind">,
  tag: string | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  const bytes = encodeManifest(manifest);
  const descriptor = { mediaType: manifest.mediaType, digest: digestOf(bytes), size: bytes.byteLength };
  await target.putManifest({ descriptor, bytes }, tag, signal);
}
