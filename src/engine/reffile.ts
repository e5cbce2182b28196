// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";
import { formatRef } from "../metadata/ref.ts";
import { formatLocation, looksLikeLocation, parseLocation, type RemoteLocation } from "../remotes/location.ts";
import { loadRefFile } from "../remotes/reffile.ts";
import type { Remote } from "../remotes/types.ts";
import { originFor, originSettings } from "./origin.ts";
import type { NewRemote } from "./types.ts";

/** What a `.flatpakref` file asks to be installed, and the remote that will be noted as its origin. */
export interface RefFileTarget {
  readonly kind: "direct";
  readonly location: RemoteLocation;
  readonly refs: readonly string[];
  readonly origin: NewRemote;
  readonly runtimeRepo: string | undefined;
}

/**
 * Reads a `.flatpakref` file. A remote with its URL that is there already serves; else one is made: under the name that
 * the file suggests, where that is free, for everything that the remote has, or as the origin of this ref alone.
 */
export async function refFileTarget(
  place: string,
  remotes: readonly Remote[],
  arch: string | undefined,
  signal: AbortSignal | undefined,
): Promise<RefFileTarget> {
  const { ref, remote, suggestedName, runtimeRepo, gpgKey } = await loadRefFile(place, arch, signal);
  if (!looksLikeLocation(remote.url)) {
    throw new DowelError("UNSUPPORTED", `${place}: ${remote.url} is an OSTree repository; only OCI works`, {
      hint: "The address of a registry starts with oci+https://.",
    });
  }
  const location = parseLocation(remote.url);
  const url = formatLocation(location);
  const known = remotes.some((one) => one.url === url);
  const isFree = suggestedName !== undefined && !remotes.some(({ name }) => name === suggestedName);
  const origin: NewRemote =
    known || !isFree
      ? { ...originFor(ref, url, remotes), settings: { ...remote, ...originSettings }, gpgKey }
      : { name: suggestedName, url, settings: remote, gpgKey };
  return { kind: "direct", location, refs: [formatRef(ref)], origin, runtimeRepo };
}
