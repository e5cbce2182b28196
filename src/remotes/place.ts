// SPDX-License-Identifier: Apache-2.0
import { Registry } from "../oci/client/registry.ts";
import { openLayout, openLayoutArchive } from "../oci/layout.ts";
import type { ImageSource } from "../oci/source.ts";
import type { ImagePlace } from "./types.ts";

/** Opens the place of an image for reading; to be disposed of. */
export async function openPlace(place: ImagePlace, signal?: AbortSignal): Promise<ImageSource> {
  switch (place.kind) {
    case "registry":
      return new Registry(place.baseUrl).repository(place.repository);
    case "layout":
      return openLayout(place.path, signal);
    case "archive":
      return openLayoutArchive(place.path, signal);
  }
}

/** The place as deployments note it: `docker://HOST/REPOSITORY`, `oci:FOLDER` or `oci-archive:FILE`. */
export function formatPlace(place: ImagePlace): string {
  if (place.kind === "registry") return `docker://${new URL(place.baseUrl).host}/${place.repository}`;
  return `${place.kind === "layout" ? "oci" : "oci-archive"}:${place.path}`;
}
