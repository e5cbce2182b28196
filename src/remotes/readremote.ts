// SPDX-License-Identifier: Apache-2.0
import { setImmediate as nextTurn } from "node:timers/promises";
import { hostArch } from "../base/arch.ts";
import { DowelError, isDowelError } from "../base/errors.ts";
import { Registry } from "../oci/client/registry.ts";
import { openLayout, openLayoutArchive, refNameAnnotation } from "../oci/layout.ts";
import { fetchStaticIndex } from "./fetchindex.ts";
import type { Catalogue } from "./images.ts";
import { type CachedCatalogue, readCachedCatalogue, writeCachedCatalogue } from "./indexcache.ts";
import { inspectDescriptor, inspectDocument } from "./inspect.ts";
import type { ImageLocation, LayoutLocation, RegistryLocation } from "./location.ts";
import { fetchCatalogue, isCatalogueAddress } from "./shop/read.ts";
import type { ListedImage, Remote } from "./types.ts";
import { walkRegistry } from "./walkregistry.ts";

export interface ListOptions {
  /** Flatpak's name, or `*` for all; the machine's own by default. */
  readonly arch?: string | undefined;
  /** Folder of the installation, where answers are cached; undefined to keep none. */
  readonly cacheFolder?: string | undefined;
  /** Do not ask a registry; take what is cached. */
  readonly cached?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The architecture that is asked for; undefined for all. */
export function wantedArch(options: ListOptions): string | undefined {
  return options.arch === "*" ? undefined : (options.arch ?? hostArch());
}

/** All images of an OCI layout. */
export async function readLayout(location: LayoutLocation, options: ListOptions): Promise<Catalogue> {
  const { signal } = options;
  const open = location.kind === "layout" ? openLayout : openLayoutArchive;
  await using source = await open(location.path, signal);
  const images: ListedImage[] = [];
  const problems: DowelError[] = [];
  for (const entry of await source.images(signal)) {
    if (entry.artifactType !== undefined) continue;
    const name = entry.annotations?.get(refNameAnnotation);
    const names = { repository: "", tags: name === undefined ? [] : [name] };
    const inspection = { source, arch: wantedArch(options), problems, signal };
    images.push(...(await inspectDescriptor(inspection, entry, names)));
  }
  return { images, placeOf: () => location, problems };
}

/** One image of a registry; where nothing has changed since the last time that costs one request. */
export async function readImage(remote: Remote, location: ImageLocation, options: ListOptions): Promise<Catalogue> {
  const baseUrl = `${location.secure ? "https" : "http"}://${location.host}/`;
  const { repository, reference } = location;
  const { cacheFolder: folder, signal } = options;
  const arch = wantedArch(options);
  const url = `${baseUrl}v2/${repository}/manifests/${reference}#${arch ?? "*"}`;
  const place = { kind: "registry", baseUrl, repository } as const;
  const cached = folder === undefined ? undefined : readCachedCatalogue(folder, remote.name);
  const known = cached?.url === url ? cached : undefined;
  const knownImages = usable(() => known?.images);
  await using source = new Registry(baseUrl).repository(repository);
  const isCurrent =
    knownImages !== undefined && (options.cached || (await source.head(reference, signal))?.digest === known?.etag);
  if (knownImages !== undefined && isCurrent) return { images: knownImages, placeOf: () => place, problems: [] };
  const problems: DowelError[] = [];
  const document = await source.resolve(reference, signal);
  const tags = location.tag === undefined ? [] : [location.tag];
  const images = await inspectDocument({ source, arch, problems, signal }, document, { repository, tags });
  if (folder !== undefined && remote.name !== remote.url) {
    const { digest: etag } = document.descriptor;
    writeCachedCatalogue(folder, remote.name, { url, etag, registry: baseUrl, images });
  }
  return { images, placeOf: () => place, problems };
}

/** What is made of the cache; undefined where that is damaged, which only costs another request. */
function usable<T>(make: () => T | undefined): T | undefined {
  try {
    return make();
  } catch (error) {
    if (isDowelError(error, "SCHEMA")) return undefined;
    throw error;
  }
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
  const ways = [() => fetchStaticIndex(location, arch, cached, signal), () => fetchCatalogue(location, cached, signal)];
  if (cached !== undefined && isCatalogueAddress(cached.url)) ways.reverse();
  for (const way of ways) {
    const answer = await way();
    if (answer !== undefined) return answer;
  }
  return walkRegistry(location, arch, usable(() => cached?.images) ?? [], signal);
}

/** What is made of a registry's list, and whether that is news. */
interface RegistryAnswer<T> {
  readonly made: T;
  readonly isNew: boolean;
}

/**
 * What is made of the list of a registry's namespace. `make` is called with what was heard last while the question whether
 * that still holds is under way, and again only where it does not.
 */
export async function readRegistry<T extends object>(
  remote: Remote,
  location: RegistryLocation,
  options: ListOptions,
  make: (catalogue: Catalogue) => T,
): Promise<RegistryAnswer<T>> {
  const { cacheFolder: folder, signal } = options;
  const cached = folder === undefined ? undefined : readCachedCatalogue(folder, remote.name);
  const view = ({ registry: baseUrl, images }: CachedCatalogue): T =>
    make({ images, placeOf: (repository) => ({ kind: "registry", baseUrl, repository }), problems: [] });
  const makeBefore = (): T | undefined => usable(() => (cached === undefined ? undefined : view(cached)));
  if (options.cached === true) {
    const made = makeBefore();
    if (made !== undefined) return { made, isNew: false };
    throw new DowelError("REGISTRY_UNREACHABLE", "nothing of it is cached");
  }
  const arch = wantedArch(options);
  const asked = fetchAnswer(location, arch, cached, signal);
  asked.catch(() => undefined);
  await nextTurn();
  const before = makeBefore();
  const heard = await asked;
  if (heard === cached && before !== undefined) return { made: before, isNew: false };
  const answer = heard === cached ? await fetchAnswer(location, arch, undefined, signal) : heard;
  if (folder !== undefined) writeCachedCatalogue(folder, remote.name, answer);
  return { made: view(answer), isNew: true };
}
