// SPDX-License-Identifier: Apache-2.0
import { hostArch } from "../base/arch.ts";
import { DowelError, isDowelError } from "../base/errors.ts";
import { Registry } from "../oci/client/registry.ts";
import { openLayout, openLayoutArchive, refNameAnnotation } from "../oci/layout.ts";
import { fetchStaticIndex } from "./fetchindex.ts";
import { readFilter } from "./filter.ts";
import { type Catalogue, selectRefs } from "./images.ts";
import { type CachedCatalogue, readCachedCatalogue, writeCachedCatalogue } from "./indexcache.ts";
import { inspectDescriptor, inspectDocument } from "./inspect.ts";
import { type ImageLocation, type LayoutLocation, parseLocation, type RegistryLocation } from "./location.ts";
import { fetchCatalogue, isCatalogueAddress } from "./shop/read.ts";
import { subsetsOf } from "./subsets.ts";
import type { ListedImage, Remote, RemoteRef } from "./types.ts";
import { walkRegistry } from "./walkregistry.ts";

export interface ListOptions {
  /** Flatpak's name; the machine's own by default. */
  readonly arch?: string | undefined;
  /** Folder of the installation, where answers are cached; undefined to keep none. */
  readonly cacheFolder?: string | undefined;
  /** Do not ask a registry; take what is cached. */
  readonly cached?: boolean;
  readonly signal?: AbortSignal | undefined;
}

async function readLayout(location: LayoutLocation, arch: string, signal: AbortSignal | undefined): Promise<Catalogue> {
  const open = location.kind === "layout" ? openLayout : openLayoutArchive;
  await using source = await open(location.path, signal);
  const images: ListedImage[] = [];
  const problems: DowelError[] = [];
  for (const entry of await source.images(signal)) {
    const name = entry.annotations?.get(refNameAnnotation);
    const names = { repository: "", tags: name === undefined ? [] : [name] };
    images.push(...(await inspectDescriptor({ source, arch, problems, signal }, entry, names)));
  }
  return { images, placeOf: () => location, problems };
}

async function readImage(location: ImageLocation, arch: string, signal: AbortSignal | undefined): Promise<Catalogue> {
  const baseUrl = `${location.secure ? "https" : "http"}://${location.host}/`;
  const { repository, reference } = location;
  await using source = new Registry(baseUrl).repository(repository);
  const names = { repository, tags: [reference] };
  const problems: DowelError[] = [];
  const document = await source.resolve(reference, signal);
  const images = await inspectDocument({ source, arch, problems, signal }, document, names);
  return { images, placeOf: () => ({ kind: "registry", baseUrl, repository }), problems };
}

/**
 * Asks first what answered the last time: a static index, which the registry itself makes, counts for more than a
 * catalogue that publishers keep. Without either all repositories are looked through.
 */
async function fetchAnswer(
  location: RegistryLocation,
  arch: string,
  cached: CachedCatalogue | undefined,
  signal: AbortSignal | undefined,
): Promise<CachedCatalogue> {
  const ways = [fetchStaticIndexFor(arch), fetchCatalogue];
  if (cached !== undefined && isCatalogueAddress(cached.url)) ways.reverse();
  for (const way of ways) {
    const answer = await way(location, cached, signal);
    if (answer !== undefined) return answer;
  }
  return walkRegistry(location, arch, cached, signal);
}

function fetchStaticIndexFor(arch: string): typeof fetchCatalogue {
  return (location, cached, signal) => fetchStaticIndex(location, arch, cached, signal);
}

async function askRegistry(
  remote: Remote,
  location: RegistryLocation,
  arch: string,
  options: ListOptions,
): Promise<CachedCatalogue> {
  const folder = options.cacheFolder;
  const cached = folder === undefined ? undefined : readCachedCatalogue(folder, remote.name);
  if (options.cached === true) {
    if (cached !== undefined) return cached;
    throw new DowelError("REGISTRY_UNREACHABLE", `Nothing is cached of the remote ${remote.name}`);
  }
  const answer = await fetchAnswer(location, arch, cached, options.signal);
  if (folder !== undefined && answer !== cached) writeCachedCatalogue(folder, remote.name, answer);
  return answer;
}

async function readRegistry(
  remote: Remote,
  location: RegistryLocation,
  arch: string,
  options: ListOptions,
): Promise<Catalogue> {
  const { registry: baseUrl, images } = await askRegistry(remote, location, arch, options);
  return { images, placeOf: (repository) => ({ kind: "registry", baseUrl, repository }), problems: [] };
}

/**
 * What a remote offers for an architecture, by name, without what its filter hides. Images without valid labels are
 * left out; where a layout or a single image has nothing else, what is wrong with it is thrown. Throws `REGISTRY_UNREACHABLE`, `REGISTRY_RESPONSE` and the other errors of its registry or layout.
 */
export async function listRefs(remote: Remote, options: ListOptions = {}): Promise<readonly RemoteRef[]> {
  try {
    return await list(remote, options);
  } catch (error) {
    throw isDowelError(error) && error.code !== "ABORTED" ? named(remote, error) : error;
  }
}

/** The error with the remote that it is about; the location of an image that is no remote is in it already. */
function named({ name, url }: Remote, error: DowelError): DowelError {
  if (name === url) return error;
  const { code, message, hint } = error;
  return new DowelError(code, `Remote ${name}: ${message}`, { ...(hint === undefined ? {} : { hint }), cause: error });
}

async function list(remote: Remote, options: ListOptions): Promise<readonly RemoteRef[]> {
  const location = parseLocation(remote.url);
  const arch = options.arch ?? hostArch();
  const passes = remote.filter === undefined ? undefined : readFilter(remote.filter);
  const catalogue =
    location.kind === "registry"
      ? await readRegistry(remote, location, arch, options)
      : location.kind === "image"
        ? await readImage(location, arch, options.signal)
        : await readLayout(location, arch, options.signal);
  const namespace = location.kind === "registry" ? location.namespace : "";
  const tag = location.kind === "registry" ? location.tag : undefined;
  const refs = selectRefs(catalogue, { remote: remote.name, namespace, arch, tag });
  const [problem] = catalogue.problems;
  if (refs.length === 0 && problem !== undefined && location.kind !== "registry") throw problem;
  const { subset } = remote;
  const offered = subset === undefined ? refs : refs.filter(({ labels }) => subsetsOf(labels).includes(subset));
  return passes === undefined ? offered : offered.filter(({ ref }) => passes(ref));
}
