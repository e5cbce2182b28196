// SPDX-License-Identifier: Apache-2.0
import { type DowelError, isDowelError } from "../base/errors.ts";
import { compareBytes } from "../base/text.ts";
import { formatRef } from "../metadata/ref.ts";
import { readFlatpakImage } from "./labels.ts";
import { repositoryFor } from "./naming.ts";
import type { ImagePlace, ListedImage, RemoteRef } from "./types.ts";

/** The images of a remote. */
export interface Catalogue {
  readonly images: readonly ListedImage[];
  /** The place of the images of a repository. */
  readonly placeOf: (repository: string) => ImagePlace;
  /** What is wrong with images that are left out. */
  readonly problems: DowelError[];
}

export interface CatalogueView {
  /** Name of the remote. */
  readonly remote: string;
  readonly namespace: string;
  /** Flatpak's name of the wanted architecture; undefined for all. */
  readonly arch: string | undefined;
  /** The tag that the remote's URL names. */
  readonly tag: string | undefined;
}

interface Candidate {
  readonly found: RemoteRef;
  readonly rank: number;
  readonly timestamp: number;
}

/** Higher is better: the repository named after the id, then the wanted tag, then `latest`. */
function rankOf(image: ListedImage, found: RemoteRef, view: CatalogueView): number {
  const ownName = image.repository === repositoryFor(view.namespace, found.ref) ? 4 : 0;
  const ownTag = image.tags.includes(view.tag ?? found.ref.branch) ? 2 : 0;
  return ownName + ownTag + (image.tags.includes("latest") ? 1 : 0);
}

function readCandidate(image: ListedImage, catalogue: Catalogue, view: CatalogueView): Candidate | undefined {
  try {
    const { timestamp, ...facts } = readFlatpakImage(image.labels, image.repository || image.commit);
    if (view.arch !== undefined && facts.ref.arch !== view.arch) return undefined;
    const { commit, labels, tags, about, appstream } = image;
    const place = catalogue.placeOf(image.repository);
    const found = { remote: view.remote, commit, place, tags, labels, about, appstream, ...facts };
    return { found, timestamp, rank: rankOf(image, found, view) };
  } catch (error) {
    // One bad image must not hide the others of a remote.
    if (!isDowelError(error)) throw error;
    catalogue.problems.push(error);
    return undefined;
  }
}

/**
 * The refs among the images of a remote, by name. Images whose labels are missing or malformed are left out and noted. Where
 * several images claim one ref, the one in the repository named after the id wins, then the one with the branch's tag,
 * then the newest.
 */
export function selectRefs(catalogue: Catalogue, view: CatalogueView): RemoteRef[] {
  const best = new Map<string, Candidate>();
  for (const image of catalogue.images) {
    const candidate = readCandidate(image, catalogue, view);
    if (candidate === undefined) continue;
    const key = formatRef(candidate.found.ref);
    const other = best.get(key);
    const better = other === undefined || candidate.rank - other.rank || candidate.timestamp - other.timestamp;
    if (better === true || (typeof better === "number" && better > 0)) best.set(key, candidate);
  }
  return [...best].sort(([left], [right]) => compareBytes(left, right)).map(([, { found }]) => found);
}
