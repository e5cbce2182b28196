// SPDX-License-Identifier: Apache-2.0
import { existsSync } from "node:fs";
import { join } from "node:path";
import { errnoOf, isDowelError } from "../../base/errors.ts";
import { decodeConfig } from "../../oci/config.ts";
import type { Digest } from "../../oci/digest.ts";
import { readPlainFile } from "../../sys/plainfile.ts";
import { editImage } from "../image/editedimage.ts";
import { loadExtra } from "../image/extra.ts";
import { imageFile, imageFolder, type MadeImage, storedDigest, storedSubpaths } from "../image/stored.ts";
import { viewDigest } from "../image/voucher.ts";
import type { Installation } from "../installation.ts";
import { isImageMounted } from "../shown.ts";
import type { LayerContext } from "./context.ts";
import type { EditedLayer } from "./edited.ts";
import { metadataFor } from "./metadata.ts";
import type { WantedImage } from "./wanted.ts";

/**
 * The image that an edited layer makes, of that of the version before: work for what changed. Only where that one is
 * mounted, as then its objects were looked at, and this one adds none that has not just come. Undefined where this way does
 * not lead to what the manifest vouches for; what another way says of it is what counts.
 */
export function makeFromEarlier(
  { installation, staging, earlier }: LayerContext,
  image: WantedImage,
  { record, fromLayer }: EditedLayer,
): MadeImage | undefined {
  const { ref, name, commit, voucher, manifest, config } = image;
  try {
    const before = earlier.find((one) => isUsable(installation, one, fromLayer));
    const edited = before === undefined ? undefined : editImage(imageFile(installation, before), record, { ref, name });
    if (edited === undefined || viewDigest(edited.view, edited.digest) !== voucher?.view) return undefined;
    const { view, composefs, digest: imageDigest, objects, files, installedSize } = edited;
    const metadata = metadataFor(staging, image, view);
    const downloadSize = manifest.layers.reduce((sum, { size }) => sum + size, 0);
    const facts = { commit, ref, labels: config.labels, subpaths: [], metadata, view, downloadSize };
    const found = { imageDigest, files, installedSize, newObjects: staging.newObjects, isWhole: true };
    return { image: { ...facts, ...found }, composefs, objects };
  } catch (error) {
    // what is missing or damaged of the version before is no fault of this one
    if (isDowelError(error) || errnoOf(error) !== undefined) return undefined;
    throw error;
  }
}

/** Whether an earlier version is of just one layer, and shown as it was installed. */
function isUsable(installation: Installation, commit: string, layer: Digest): boolean {
  const folder = imageFolder(installation, commit);
  const digest = storedDigest(folder);
  const path = join(folder, "config.json");
  if (digest === undefined || !existsSync(path) || !isImageMounted(installation, digest)) return false;
  if (storedSubpaths(installation, commit).length > 0 || loadExtra(folder) !== undefined) return false;
  const { diffIds } = decodeConfig(readPlainFile(path), folder);
  return diffIds.length === 1 && diffIds[0] === layer;
}
