// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import type { Repository } from "../../oci/client/registry.ts";
import { type Entry, entryType } from "./format.ts";
import { announce, listTags, putArtifact, putBytes } from "./publish.ts";
import { findCatalogue } from "./read.ts";
import { keyOf, newestTags, withdrawalTag } from "./tags.ts";

const nothing = new TextEncoder().encode("{}");

/**
 * Takes entries out of the catalogue of a namespace; the images stay where they are. An entry cannot simply be deleted, as
 * whoever publishes meanwhile would put it back, so a newer tag under the same key says that it is gone. Publishing the
 * image again lists it again. Returns the entries that went. Throws `REF_NOT_FOUND` where none fits.
 */
export async function withdraw(
  repository: Repository,
  fits: (entry: Entry) => boolean,
  signal?: AbortSignal,
): Promise<readonly Entry[]> {
  const catalogue = await findCatalogue(repository, signal);
  const listed = catalogue?.entries ?? [];
  const entries = listed.map(({ entry }) => entry).filter(fits);
  if (entries.length === 0) {
    throw new DowelError("REF_NOT_FOUND", `The catalogue ${repository.name} lists nothing of that name`);
  }
  const newest = newestTags([...(await listTags(repository, signal)), ...listed.map(({ tag }) => tag)]);
  const tags = [...new Set(entries.map(keyOf))].map((key) => withdrawalTag(key, newest.get(key)));
  for (const { tag } of tags) {
    const layers = [await putBytes(repository, entryType, nothing, signal)];
    await putArtifact(repository, { type: entryType, layers, tag }, signal);
  }
  await announce(repository, tags, signal);
  return entries;
}
