// SPDX-License-Identifier: Apache-2.0
import { existsSync } from "node:fs";
import { join } from "node:path";
import { errnoOf, isDowelError } from "../../base/errors.ts";
import { readPlain } from "../../formats/composefs/plain-read.ts";
import type { PlainTable } from "../../formats/composefs/plain-table.ts";
import { decodeConfig } from "../../oci/config.ts";
import type { Digest } from "../../oci/digest.ts";
import { readPlainFile, readPlainFileWithRoom } from "../../sys/plainfile.ts";
import { type EditedImage, editImage } from "../image/editedimage.ts";
import { loadExtra } from "../image/extra.ts";
import type { EditedRecord } from "../image/recordedit.ts";
import { imageFile, imageFolder, storedDigest, storedSubpaths } from "../image/stored.ts";
import { viewDigest } from "../image/voucher.ts";
import type { Installation } from "../installation.ts";
import { isImageMounted } from "../shown.ts";
import type { WantedImage } from "./wanted.ts";

/**
 * The image of an earlier version that had one layer, and shows it as it was installed. Only where it is mounted, as then its
 * objects were looked at. Undefined where there is none.
 */
export function readEarlier(
  installation: Installation,
  earlier: readonly string[],
  layer: Digest,
): PlainTable | undefined {
  return unlessDamaged(() => {
    const commit = earlier.find((one) => isUsable(installation, one, layer));
    if (commit === undefined) return undefined;
    // what is new of the next image goes behind it
    const { memory, size } = readPlainFileWithRoom(imageFile(installation, commit), 1 / 4);
    return readPlain(memory, size);
  });
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

/**
 * The image that an edited layer makes, of that of the version before: work for what changed. Undefined where this way does
 * not lead to what the manifest vouches for; what another way says of it is what counts.
 */
export function makeFromEarlier(
  { ref, name, voucher }: WantedImage,
  before: PlainTable,
  record: EditedRecord,
): EditedImage | undefined {
  return unlessDamaged(() => {
    const edited = editImage(before, record, { ref, name });
    return edited !== undefined && viewDigest(edited.view, edited.digest) === voucher?.view ? edited : undefined;
  });
}

/** What is missing or damaged of the version before, or of a delta from it, is no fault of a new one. */
export function unlessDamaged<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (isDowelError(error) || errnoOf(error) !== undefined) return undefined;
    throw error;
  }
}
