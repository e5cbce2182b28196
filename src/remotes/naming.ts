// SPDX-License-Identifier: Apache-2.0
import type { Ref } from "../metadata/ref.ts";
import { newHash } from "../sys/hash.ts";

const repositoryComponent = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;

/** The last part of a repository's name for an id: the id in lower case, as far as the distribution spec allows it. */
function componentFor(id: string): string {
  const lower = id.toLowerCase();
  if (repositoryComponent.test(lower)) return lower;
  const cleaned = lower
    .replace(/[._-]*\.[._-]*/g, ".")
    .replace(/_{3,}|_+-[_-]*|-+_[_-]*/g, "-")
    .replace(/^[._-]+|[._-]+$/g, "");
  // Cleaning can make two ids equal; the hash keeps them apart.
  const hash = newHash("sha256").update(id).digest("hex").slice(0, 12);
  return cleaned === "" ? `x${hash}` : `${cleaned}-${hash}`;
}

/**
 * The repository that holds the images of an id below a namespace (`""` for the registry's root). Names are those
 * of the OCI distribution spec 1.1, which has no capitals and no `._`.
 */
export function repositoryFor(namespace: string, ref: Pick<Ref, "id">): string {
  const component = componentFor(ref.id);
  return namespace === "" ? component : `${namespace}/${component}`;
}

/**
 * The tags that a pushed image gets: its branch, and `latest`, which Flatpak asks the static index for where the
 * remote's URL names no other tag.
 */
export function tagsFor(ref: Pick<Ref, "branch">): readonly string[] {
  return ref.branch === "latest" ? ["latest"] : [ref.branch, "latest"];
}

/** The repository that holds the catalogue of a namespace. No id has this name: ids have dots. */
export function catalogueRepository(namespace: string): string {
  return namespace === "" ? "catalogue" : `${namespace}/catalogue`;
}

/** Whether a repository is the catalogue of some namespace. */
export function isCatalogueRepository(repository: string): boolean {
  return repository === "catalogue" || repository.endsWith("/catalogue");
}
