// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";
import { parseImageReference } from "../oci/reference.ts";
import { looksLikeLocation, parseLocation, type RemoteLocation } from "../remotes/location.ts";
import type { Remote } from "../remotes/types.ts";

/** What the words of an install command ask for. */
export type InstallTarget =
  | { readonly kind: "refs"; readonly remote: string | undefined; readonly refs: readonly string[] }
  | { readonly kind: "direct"; readonly location: RemoteLocation; readonly refs: readonly string[] };

/** `oci:FOLDER[:REF]`, `oci-archive:FILE[:REF]` and `docker://HOST/REPOSITORY[:TAG]`, with the ref taken off. */
function splitDirect(text: string): { readonly location: RemoteLocation; readonly ref: string | undefined } {
  if (text.startsWith("oci+") || text.startsWith("docker://")) return { location: parseLocation(text), ref: undefined };
  const reference = parseImageReference(text);
  if (reference.transport === "docker") return { location: parseLocation(text), ref: undefined };
  return { location: parseLocation(`${reference.transport}:${reference.path}`), ref: reference.name };
}

function directTarget(text: string, refs: readonly string[]): InstallTarget {
  const { location, ref } = splitDirect(text);
  if (ref !== undefined && refs.length > 0) {
    throw new DowelError("USAGE", `Name refs either behind ${text.slice(0, -ref.length - 1)} or after it, not both`);
  }
  if (location.kind === "registry" && refs.length === 0) {
    if (!text.startsWith("docker://") || location.tag !== undefined) {
      throw new DowelError("USAGE", `${text} is a whole registry; name a ref after it`);
    }
    return { kind: "direct", location: parseLocation(`${text.replace(/\/+$/, "")}:latest`), refs: [] };
  }
  return { kind: "direct", location, refs: ref === undefined ? refs : [ref] };
}

/**
 * Reads the words of `install [LOCATION/REMOTE] [REF…]`. A first word that is a location makes a direct install, one
 * that names a remote limits the search to it; otherwise all words are refs. Throws `USAGE`.
 */
export function parseInstallTarget(words: readonly string[], remotes: readonly Pick<Remote, "name">[]): InstallTarget {
  const [first, ...rest] = words;
  if (first === undefined) throw new DowelError("USAGE", "Name what to install: a ref, or a location");
  if (looksLikeLocation(first)) return directTarget(first, rest);
  if (!remotes.some(({ name }) => name === first)) return { kind: "refs", remote: undefined, refs: words };
  if (rest.length === 0) throw new DowelError("USAGE", `Name a ref to install from the remote ${first}`);
  return { kind: "refs", remote: first, refs: rest };
}
