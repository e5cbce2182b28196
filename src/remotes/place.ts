// SPDX-License-Identifier: Apache-2.0
import { Registry } from "../oci/client/registry.ts";
import { type LayoutSource, openHeldLayout, openLayout, openLayoutArchive } from "../oci/layout.ts";
import type { ImageSource } from "../oci/source.ts";
import type { ImagePlace } from "./types.ts";

/** Opens a layout, wherever it is; to be disposed of. */
export async function openLocalPlace(
  place: Exclude<ImagePlace, { kind: "registry" }>,
  signal?: AbortSignal,
): Promise<LayoutSource> {
  switch (place.kind) {
    case "layout":
      return openLayout(place.path, signal);
    case "archive":
      return openLayoutArchive(place.path, signal);
    case "held":
      return openHeldLayout(place.folder, place.name, signal);
  }
}

/** Opens the place of an image for reading; to be disposed of. */
export async function openPlace(place: ImagePlace, signal?: AbortSignal): Promise<ImageSource> {
  if (place.kind !== "registry") return openLocalPlace(place, signal);
  return new Registry(place.baseUrl, { token: place.token }).repository(place.repository);
}

/** The place as deployments note it: `docker://HOST/REPOSITORY`, `oci:FOLDER` or `oci-archive:FILE`. */
export function formatPlace(place: ImagePlace): string {
  if (place.kind === "registry") return `docker://${new URL(place.baseUrl).host}/${place.repository}`;
  if (place.kind === "held") return place.name;
  return `${place.kind === "layout" ? "oci" : "oci-archive"}:${place.path}`;
}
