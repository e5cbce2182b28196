// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";

/** The version of Flatpak whose behaviour apps and portals may count on. */
export const flatpakVersion = "1.18.0";

type Version = readonly [major: number, minor: number, micro: number];

function parseVersion(text: string, what: string): Version {
  const match = /^([0-9]{1,6})\.([0-9]{1,6})\.([0-9]{1,6})$/.exec(text.trim());
  if (match !== null) return [Number(match[1]), Number(match[2]), Number(match[3])];
  throw new DowelError(
    "METADATA_INVALID",
    `${what}: required-flatpak: ${JSON.stringify(text)} is not a version like 1.12.4`,
  );
}

function series([major, minor]: Version): number {
  return major * 1_000_000 + minor;
}

/**
 * Checks `required-flatpak` of metadata (flatpak-metadata(5)): of several versions the one of the same major and minor
 * counts, so that fixes in older series can be named; else the series must be newer than all of them. Throws
 * `VERSION_REQUIRED`, or `METADATA_INVALID` for what is no version.
 */
export function checkRequiredVersions(required: readonly string[], what: string, mine = flatpakVersion): void {
  const own = parseVersion(mine, "Dowel");
  const versions = required.map((text) => parseVersion(text, what));
  const same = versions.filter((version) => series(version) === series(own));
  const isMet =
    same.length > 0
      ? same.some((version) => version[2] <= own[2])
      : versions.every((version) => series(version) < series(own));
  if (isMet) return;
  throw new DowelError("VERSION_REQUIRED", `${what} needs Flatpak ${required.join(" or ")}; this is as ${mine}`, {
    hint: "Update Dowel.",
  });
}
