// SPDX-License-Identifier: Apache-2.0
import { existsSync } from "node:fs";
import { readExtraData } from "../../metadata/extradata.ts";
import { loadImage, type StoredImage } from "../../store/image/stored.ts";
import type { Installation } from "../../store/installation.ts";
import { lockForChange } from "../../store/locks.ts";
import { hasExtra } from "../../store/transfer/extra.ts";
import type { ChangeContext } from "../fetch.ts";
import { downloadExtra, extraPath } from "./download.ts";

/** Brings the extra data of an image here, so that they only have to be prepared. */
export async function fetchExtra(image: StoredImage, context: ChangeContext): Promise<void> {
  const extra = readExtraData(image.metadata, image.labels);
  if (extra === undefined || hasExtra(context.installation, image.commit)) return;
  for (const file of extra.files) await downloadExtra(file, context);
}

/** Whether an image has its extra data, or they only have to be prepared. */
export function isExtraHere(image: StoredImage, installation: Installation): boolean {
  const extra = readExtraData(image.metadata, image.labels);
  if (extra === undefined || hasExtra(installation, image.commit)) return true;
  return extra.files.every((file) => existsSync(extraPath(installation, file)));
}

/**
 * The image with its extra data prepared and stored as a part of it; the image itself where it has none, or has them
 * already. They are fetched first where they are not here. To be called while a pin is held, not under the lock for changes.
 *
 * Throws `EXTRA_DATA` where the program that prepares them fails, and what fetching throws.
 */
export async function prepareExtra(image: StoredImage, context: ChangeContext): Promise<StoredImage> {
  const { installation, report, signal } = context;
  const extra = readExtraData(image.metadata, image.labels);
  if (extra === undefined || hasExtra(installation, image.commit)) return image;
  await fetchExtra(image, context);
  using _lock = await lockForChange(installation, { report, signal });
  if (hasExtra(installation, image.commit)) return loadImage(installation, image.commit) ?? image;
  // What that takes is loaded only now: few images have extra data.
  const { prepareFiles } = await import("./prepare.ts");
  return await prepareFiles(image, extra, context);
}
