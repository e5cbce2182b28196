// SPDX-License-Identifier: Apache-2.0
import { hostArch } from "../base/arch.ts";
import { DowelError, isDowelError } from "../base/errors.ts";
import { readFilter } from "./filter.ts";
import type { Catalogue } from "./images.ts";
import { parseLocation, type RemoteLocation } from "./location.ts";
import { type ListOptions, readRegistry, wantedArch } from "./readremote.ts";
import { hasSearchIndex, touchSearchIndex, writeSearchIndex } from "./search/store.ts";
import { subsetsOf } from "./subsets.ts";
import type { Remote, RemoteRef } from "./types.ts";

/** The refs that a remote's filter and subset let through. */
function offeredOf(remote: Remote, refs: readonly RemoteRef[]): readonly RemoteRef[] {
  const { subset } = remote;
  const passes = remote.filter === undefined ? undefined : readFilter(remote.filter);
  const inSubset = subset === undefined ? refs : refs.filter(({ labels }) => subsetsOf(labels).includes(subset));
  return passes === undefined ? inSubset : inSubset.filter(({ ref }) => passes(ref));
}

/** What this takes is loaded while a question is under way. */
async function selected(
  remote: Remote,
  location: RemoteLocation,
  catalogue: Catalogue,
  options: ListOptions,
): Promise<RemoteRef[]> {
  const { selectRefs } = await import("./images.ts");
  const namespace = location.kind === "registry" ? location.namespace : "";
  const tag = location.kind === "registry" ? location.tag : undefined;
  return selectRefs(catalogue, { remote: remote.name, namespace, arch: wantedArch(options), tag });
}

/** Keeps what `search` reads of a remote, for the machine's own architecture. */
function keepSearchIndex(remote: Remote, refs: readonly RemoteRef[], isNew: boolean, options: ListOptions): void {
  const { cacheFolder: folder, cached, arch = hostArch() } = options;
  if (folder === undefined || cached === true || arch !== hostArch()) return;
  if (isNew || !hasSearchIndex(folder, remote.name)) writeSearchIndex(folder, remote.name, refs);
  else touchSearchIndex(folder, remote.name);
}

async function list(remote: Remote, options: ListOptions): Promise<readonly RemoteRef[]> {
  const location = parseLocation(remote.url);
  if (location.kind === "registry") {
    const make = async (catalogue: Catalogue, isOld: boolean) => {
      const all = await selected(remote, location, catalogue, options);
      const offered = offeredOf(remote, all);
      if (isOld) options.foresees?.(offered);
      return { all, offered };
    };
    const { made, isNew } = await readRegistry(remote, location, options, make);
    keepSearchIndex(remote, made.all, isNew, options);
    return made.offered;
  }
  const { readImage, readLayout } = await import("./readimages.ts");
  const catalogue =
    location.kind === "image" ? await readImage(remote, location, options) : await readLayout(location, options);
  const refs = await selected(remote, location, catalogue, options);
  const [problem] = catalogue.problems;
  if (refs.length === 0 && problem !== undefined) throw problem;
  return offeredOf(remote, refs);
}

/** The error with the remote that it is about; the location of an image that is no remote is in it already. */
function named({ name, url }: Remote, error: DowelError): DowelError {
  if (name === url) return error;
  const { code, message, hint } = error;
  return new DowelError(code, `Remote ${name}: ${message}`, { ...(hint === undefined ? {} : { hint }), cause: error });
}

/**
 * What a remote offers for an architecture, by name, without what its filter and its subset hide. Images without valid
 * labels are left out; where a layout or a single image has nothing else, what is wrong with it is thrown. Errors name
 * the remote; they are `REGISTRY_UNREACHABLE`, `REGISTRY_RESPONSE` and the others of its registry or layout.
 */
export async function listRefs(remote: Remote, options: ListOptions = {}): Promise<readonly RemoteRef[]> {
  try {
    return await list(remote, options);
  } catch (error) {
    throw isDowelError(error) && error.code !== "ABORTED" ? named(remote, error) : error;
  }
}
