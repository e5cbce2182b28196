// SPDX-License-Identifier: Apache-2.0
import { toOciArch } from "../base/arch.ts";
import { DowelError } from "../base/errors.ts";
import type { Descriptor } from "./descriptor.ts";
import type { ImageIndex } from "./manifest.ts";
import { isIndexType, isManifestType } from "./mediatypes.ts";

/**
 * The first entry of an index for Linux on an architecture (Flatpak's name for it). Entries of unknown media types
 * are skipped, as the image specification asks. With `variant` an entry must have that one.
 */
export function choosePlatform(index: ImageIndex, arch: string, what: string, variant?: string): Descriptor {
  const wanted = toOciArch(arch);
  const known = index.manifests.filter((entry) => isManifestType(entry.mediaType) || isIndexType(entry.mediaType));
  const found = known.find(
    ({ platform }) =>
      platform?.os === "linux" &&
      platform.architecture === wanted &&
      (variant === undefined || platform.variant === variant),
  );
  if (found !== undefined) return found;
  const only = known[0];
  // an index of one image often names no platform; its config does, and is checked by whoever uses it
  if (known.length === 1 && only !== undefined && only.platform === undefined) return only;
  const offered = known.flatMap(({ platform }) =>
    platform === undefined ? [] : `${platform.os}/${platform.architecture}`,
  );
  throw new DowelError(
    "OCI_PLATFORM_MISSING",
    `${what}: nothing for linux/${wanted}; it has ${offered.length === 0 ? "no platforms" : offered.join(", ")}`,
  );
}
