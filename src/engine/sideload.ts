// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { isDowelError } from "../base/errors.ts";
import { type Report, silent } from "../base/events.ts";
import { digestHex } from "../oci/digest.ts";
import { looksLikeLocation, parseLocation } from "../remotes/location.ts";
import { openLocalPlace } from "../remotes/place.ts";
import type { ImagePlace } from "../remotes/types.ts";
import { namesIn } from "./media.ts";

/** Where `create-usb` puts the images on a medium. */
export const sideloadFolder = ".dowel/images";

export interface SideloadOptions {
  readonly report?: Report | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What `--sideload-repo` names: a layout in a folder or an archive, or a medium that `create-usb` wrote one on. */
export function sideloadPlace(path: string): ImagePlace {
  const location = parseLocation(looksLikeLocation(path) ? path : `oci:${path}`);
  if (location.kind === "archive") return location;
  const folder = location.kind === "layout" ? location.path : path;
  const carried = join(folder, sideloadFolder);
  return { kind: "layout", path: !isLayout(folder) && isLayout(carried) ? carried : folder };
}

/**
 * The images of layouts, by their commits: what is named must be a layout, what only may be there (`folders` of
 * media, as `/run/media/USER`, or of layouts) is looked through two levels deep. A layout gives bytes for digests that
 * a remote named, and nothing else, so it need not be trusted. Throws `OCI_LAYOUT_INVALID` for one that was named.
 */
export async function findSideloads(
  named: readonly ImagePlace[],
  folders: readonly string[],
  { report = silent, signal }: SideloadOptions = {},
): Promise<ReadonlyMap<string, ImagePlace>> {
  const found = new Map<string, ImagePlace>();
  for (const place of named) await addImages(place, found, signal);
  for (const path of folders.flatMap(mediaBelow)) {
    try {
      await addImages({ kind: "layout", path }, found, signal);
    } catch (error) {
      if (!isDowelError(error) || error.code === "ABORTED") throw error;
      report({ type: "warning", text: `${path}: ${error.message}` });
    }
  }
  return found;
}

async function addImages(place: ImagePlace, found: Map<string, ImagePlace>, signal?: AbortSignal): Promise<void> {
  if (place.kind === "registry") return;
  await using source = await openLocalPlace(place, signal);
  for (const { digest } of await source.images(signal)) {
    if (digest.startsWith("sha256:")) found.set(digestHex(digest), place);
  }
}

/** Layouts in a folder, or that media carry: the folder itself, or a folder in it or in one of those. */
function mediaBelow(folder: string): readonly string[] {
  const candidates = [folder, ...foldersIn(folder).flatMap((one) => [one, ...foldersIn(one)])];
  return candidates.flatMap((one) => [one, join(one, sideloadFolder)]).filter((one) => isLayout(one));
}

function isLayout(path: string): boolean {
  return namesIn(path).includes("oci-layout");
}

function foldersIn(folder: string): readonly string[] {
  return namesIn(folder).map((name) => join(folder, name));
}
