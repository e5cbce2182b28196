// SPDX-License-Identifier: Apache-2.0
import { setImmediate as nextTurn } from "node:timers/promises";
import { hostArch } from "../base/arch.ts";
import { DowelError } from "../base/errors.ts";
import { fetchStaticIndex } from "./fetchindex.ts";
import type { Catalogue } from "./images.ts";
import { type CachedCatalogue, readCachedCatalogue, usable, writeCachedCatalogue } from "./indexcache.ts";
import type { RegistryLocation } from "./location.ts";
import { isCatalogueAddress } from "./shop/address.ts";
import type { Remote, RemoteRef } from "./types.ts";

export interface ListOptions {
  /** Flatpak's name, or `*` for all; the machine's own by default. */
  readonly arch?: string | undefined;
  /** Folder of the installation, where answers are cached; undefined to keep none. */
  readonly cacheFolder?: string | undefined;
  /** Do not ask a registry; take what is cached. */
  readonly cached?: boolean | undefined;
  /**
   * Takes the list that a registry gave last, while it is asked whether that still holds; where it does, the same list is
   * the answer.
   */
  readonly foresees?: ((refs: readonly RemoteRef[]) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The architecture that is asked for; undefined for all. */
export function wantedArch(options: ListOptions): string | undefined {
  return options.arch === "*" ? undefined : (options.arch ?? hostArch());
}

/**
 * Asks first what answered the last time: a static index, which the registry itself makes, counts for more than a
 * catalogue that publishers keep. Without either all repositories are looked through.
 */
async function fetchAnswer(
  location: RegistryLocation,
  arch: string | undefined,
  cached: CachedCatalogue | undefined,
  signal: AbortSignal | undefined,
): Promise<CachedCatalogue> {
  const askCatalogue = async (): Promise<CachedCatalogue | undefined> => {
    const { fetchCatalogue } = await import("./shop/read.ts");
    return await fetchCatalogue(location, cached, signal);
  };
  const ways = [() => fetchStaticIndex(location, arch, cached, signal), askCatalogue];
  if (cached !== undefined && isCatalogueAddress(cached.url)) ways.reverse();
  for (const way of ways) {
    const answer = await way();
    if (answer !== undefined) return answer;
  }
  const { walkRegistry } = await import("./walkregistry.ts");
  return await walkRegistry(location, arch, usable(() => cached?.images) ?? [], signal);
}

/** What is made of a registry's list, and whether that is news. */
interface RegistryAnswer<T> {
  readonly made: T;
  readonly isNew: boolean;
}

/**
 * What is made of the list of a registry's namespace. `make` is called with what was heard last while the question whether
 * that still holds is under way, and again only where it does not; it is told which of the two it is.
 */
export async function readRegistry<T extends object>(
  remote: Remote,
  location: RegistryLocation,
  options: ListOptions,
  make: (catalogue: Catalogue, isOld: boolean) => Promise<T>,
): Promise<RegistryAnswer<T>> {
  const { cacheFolder: folder, signal } = options;
  const cached = folder === undefined ? undefined : readCachedCatalogue(folder, remote.name);
  const view = async ({ registry: baseUrl, images }: CachedCatalogue, isOld: boolean): Promise<T> =>
    await make({ images, placeOf: (repository) => ({ kind: "registry", baseUrl, repository }), problems: [] }, isOld);
  const makeBefore = async (): Promise<T | undefined> => {
    const images = usable(() => cached?.images);
    return cached === undefined || images === undefined ? undefined : await view({ ...cached, images }, true);
  };
  if (options.cached === true) {
    const made = await makeBefore();
    if (made !== undefined) return { made, isNew: false };
    throw new DowelError("REGISTRY_UNREACHABLE", "nothing of it is cached");
  }
  const arch = wantedArch(options);
  const asked = fetchAnswer(location, arch, cached, signal);
  asked.catch(() => undefined);
  await nextTurn();
  const before = await makeBefore();
  const heard = await asked;
  if (heard === cached && before !== undefined) return { made: before, isNew: false };
  const answer = heard === cached ? await fetchAnswer(location, arch, undefined, signal) : heard;
  if (folder !== undefined) writeCachedCatalogue(folder, remote.name, answer);
  return { made: await view(answer, false), isNew: true };
}
