// SPDX-License-Identifier: Apache-2.0
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileError } from "../../base/errors.ts";
import type { LayoutWriter } from "../../oci/layoutwriter.ts";
import { decodeIndex, decodeManifest } from "../../oci/manifest.ts";
import { mediaTypes } from "../../oci/mediatypes.ts";

/** Removes blobs that no image of the layout has any more. Only for a layout that nobody else writes to. */
export async function pruneLayout(writer: LayoutWriter, path: string, signal: AbortSignal | undefined): Promise<void> {
  using _lock = await writer.lock(signal);
  const blobs = join(path, "blobs", "sha256");
  const index = decodeIndex(readFileSync(join(path, "index.json")), mediaTypes.ociIndex, path);
  const used = new Set<string>();
  for (const { digest, mediaType } of index.manifests) {
    const name = digest.slice("sha256:".length);
    // What refers to an image is a manifest of the same form.
    const { config, layers } = decodeManifest(readFileSync(join(blobs, name)), mediaType, path);
    for (const blob of [digest, config.digest, ...layers.map((layer) => layer.digest)]) used.add(blob);
  }
  try {
    for (const name of readdirSync(blobs)) {
      if (!used.has(`sha256:${name}`)) rmSync(join(blobs, name));
    }
  } catch (error) {
    throw fileError(error, "tidy up", blobs);
  }
}
