// SPDX-License-Identifier: Apache-2.0
import { toOciArch } from "../base/arch.ts";
import { DowelError } from "../base/errors.ts";
import type { Descriptor, Platform } from "./descriptor.ts";
import type { ImageIndex } from "./manifest.ts";
import { isIndexType, isManifestType } from "./mediatypes.ts";

/**
 * Variants as GOARM and GOAMD64 name them, what is taken first first: what every machine of Flatpak's architecture runs, which
 * is also what an entry without a variant stands for; then what more is asked of a machine, and for arm what is asked less.
 */
const preferred: Readonly<Record<string, readonly string[]>> = {
  amd64: ["v1", "v2", "v3", "v4"],
  arm64: ["v8"],
  arm: ["v7", "v6", "v5"],
};

/** The place of a variant in the order of preference; unknown ones come last. */
function rank({ architecture, variant }: Platform): number {
  const order = preferred[architecture] ?? [];
  if (variant === undefined) return 0;
  const at = order.indexOf(variant);
  return at === -1 ? order.length + 1 : at;
}

/**
 * The entry of an index for Linux on an architecture (Flatpak's name for it): of several variants the one that asks the
 * least of a machine, of equal ones the first. Entries of unknown media types are skipped, as the image specification asks.
 */
export function choosePlatform(index: ImageIndex, arch: string, what: string): Descriptor {
  const wanted = toOciArch(arch);
  const known = index.manifests.filter((entry) => isManifestType(entry.mediaType) || isIndexType(entry.mediaType));
  const fitting = known.flatMap((entry) =>
    entry.platform?.os === "linux" && entry.platform.architecture === wanted
      ? { entry, rank: rank(entry.platform) }
      : [],
  );
  const [best] = fitting.sort((left, right) => left.rank - right.rank);
  if (best !== undefined) return best.entry;
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
