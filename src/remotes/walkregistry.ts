// SPDX-License-Identifier: Apache-2.0
import { DowelError, isDowelError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { Registry, type Repository } from "../oci/client/registry.ts";
import { digestHex } from "../oci/digest.ts";
import type { CachedCatalogue } from "./indexcache.ts";
import { inspectDescriptor } from "./inspect.ts";
import type { RegistryLocation } from "./location.ts";
import { isCatalogueRepository } from "./naming.ts";
import type { ListedImage } from "./types.ts";

const repositoriesAtOnce = 8;

async function listRepositories(registry: Registry, location: RegistryLocation, signal: AbortSignal | undefined) {
  const prefix = location.namespace === "" ? "" : `${location.namespace}/`;
  const names: string[] = [];
  try {
    for await (const page of registry.catalog(signal)) {
      names.push(...page.filter((name) => name.startsWith(prefix) && !isCatalogueRepository(name)));
      if (names.length > limits.cataloguedRepositories) {
        const most = limits.cataloguedRepositories;
        throw new DowelError("LIMIT_EXCEEDED", `${registry.name}: more than ${most} repositories below ${prefix}`);
      }
    }
  } catch (error) {
    if (!isDowelError(error, "REGISTRY_NOT_FOUND") && !isDowelError(error, "REGISTRY_AUTH")) throw error;
    throw new DowelError(error.code, `${location.baseUrl} does not list its images: ${error.message}`, {
      hint: "Name the image itself: docker://HOST/REPOSITORY:TAG.",
      cause: error,
    });
  }
  return names;
}

/** The images of one repository; labels of manifests that were seen before are taken from there. */
async function walkRepository(
  repository: Repository,
  location: RegistryLocation,
  arch: string | undefined,
  known: ReadonlyMap<string, ListedImage>,
  signal: AbortSignal | undefined,
): Promise<ListedImage[]> {
  const found = new Map<string, ListedImage>();
  const add = (image: ListedImage): void => {
    const tags = [...new Set([...(found.get(image.commit)?.tags ?? []), ...image.tags])];
    found.set(image.commit, { ...image, tags });
  };
  for await (const page of repository.tags(signal)) {
    for (const tag of page) {
      if (location.tag !== undefined && tag !== location.tag) continue;
      const descriptor = await repository.head(tag, signal);
      if (descriptor === undefined) continue;
      const seen = known.get(`${repository.repository}@${digestHex(descriptor.digest)}`);
      if (seen !== undefined) {
        add({ ...seen, tags: [tag] });
        continue;
      }
      const inspection = { source: repository, arch, problems: [], signal };
      const names = { repository: repository.repository, tags: [tag] };
      for (const image of await inspectDescriptor(inspection, descriptor, names)) add(image);
    }
  }
  return [...found.values()];
}

/**
 * Looks through the repositories of a registry that has no static index: `_catalog`, tags, configs. Slow the first
 * time; what was seen `before` is not fetched again.
 */
export async function walkRegistry(
  location: RegistryLocation,
  arch: string | undefined,
  before: readonly ListedImage[],
  signal: AbortSignal | undefined,
): Promise<CachedCatalogue> {
  const registryUrl = new URL("/", location.baseUrl).href;
  const registry = new Registry(registryUrl);
  const known = new Map(before.map((image) => [`${image.repository}@${image.commit}`, image]));
  const waiting = await listRepositories(registry, location, signal);
  const images: ListedImage[] = [];
  const work = async (): Promise<void> => {
    for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
      try {
        images.push(...(await walkRepository(registry.repository(name), location, arch, known, signal)));
      } catch (error) {
        // A catalogue may name repositories that are empty or forbidden.
        if (!isDowelError(error, "REGISTRY_NOT_FOUND") && !isDowelError(error, "REGISTRY_AUTH")) throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: repositoriesAtOnce }, work));
  return { url: registryUrl, etag: undefined, registry: registryUrl, images };
}
