// SPDX-License-Identifier: Apache-2.0
import { isDowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { decompress } from "../../formats/compression/decompress.ts";
import type { Repository } from "../../oci/client/registry.ts";
import { Registry } from "../../oci/client/registry.ts";
import { type Digest, digestHex } from "../../oci/digest.ts";
import { decodeDocument, type ImageManifest } from "../../oci/manifest.ts";
import { collect } from "../../oci/verify.ts";
import type { CachedCatalogue } from "../indexcache.ts";
import type { RegistryLocation } from "../location.ts";
import { catalogueRepository } from "../naming.ts";
import type { ListedImage } from "../types.ts";
import { catalogueLayerType, catalogueType, decodeCatalogue, type TaggedEntry } from "./format.ts";

/** A catalogue as it stands under `latest`. */
interface ReadCatalogue {
  readonly digest: Digest;
  readonly entries: readonly TaggedEntry[];
}

/** The repository of a namespace's catalogue. */
function openCatalogue(location: RegistryLocation): Repository {
  return new Registry(new URL("/", location.baseUrl).href).repository(catalogueRepository(location.namespace));
}

function isCatalogue(document: ReturnType<typeof decodeDocument>): document is ImageManifest {
  return document.kind === "manifest" && document.artifactType === catalogueType;
}

/** Reads what stands under `latest`; undefined where nothing does, or something else. */
async function readCatalogue(
  repository: Repository,
  signal: AbortSignal | undefined,
): Promise<ReadCatalogue | undefined> {
  const { descriptor, bytes } = await repository.resolve("latest", signal);
  const what = `${repository.name}@${descriptor.digest}`;
  const document = decodeDocument(bytes, descriptor.mediaType, what);
  if (!isCatalogue(document)) return undefined;
  const layer = document.layers.find(({ mediaType }) => mediaType === catalogueLayerType);
  if (layer === undefined) return undefined;
  const unpacked = decompress(repository.openBlob(layer, { signal }), "zstd", {
    maxBytes: limits.remoteIndexBytes,
    signal,
  });
  const entries = decodeCatalogue(await collect(unpacked, limits.remoteIndexBytes, what), what);
  return { digest: descriptor.digest, entries };
}

/** Whether a repository has something under `latest` that can be a catalogue. */
export async function hasCatalogue(repository: Repository, signal: AbortSignal | undefined): Promise<boolean> {
  try {
    return (await repository.head("latest", signal)) !== undefined;
  } catch (error) {
    if (isDowelError(error, "REGISTRY_AUTH")) return false;
    throw error;
  }
}

/** As `readCatalogue`, where the registry may not know the repository, or may hide that it does not. */
export async function findCatalogue(
  repository: Repository,
  signal: AbortSignal | undefined,
): Promise<ReadCatalogue | undefined> {
  try {
    return await readCatalogue(repository, signal);
  } catch (error) {
    if (isDowelError(error, "REGISTRY_NOT_FOUND") || isDowelError(error, "REGISTRY_AUTH")) return undefined;
    throw error;
  }
}

function toListed({ entry }: TaggedEntry, namespace: string): ListedImage {
  const { repository, digest, tags, labels, about, appstream } = entry;
  const full = namespace === "" ? repository : `${namespace}/${repository}`;
  return { repository: full, commit: digestHex(digest), tags, labels, about, appstream };
}

/**
 * What a namespace's catalogue lists, with one request where nothing has changed since `cached`. Undefined where there
 * is no catalogue.
 */
export async function fetchCatalogue(
  location: RegistryLocation,
  cached: CachedCatalogue | undefined,
  signal: AbortSignal | undefined,
): Promise<CachedCatalogue | undefined> {
  const repository = openCatalogue(location);
  const registry = new URL("/", location.baseUrl).href;
  const url = `${registry}v2/${repository.repository}/manifests/latest`;
  if (cached?.url === url) {
    const head = await repository.head("latest", signal);
    if (head !== undefined && head.digest === cached.etag) return cached;
  }
  const found = await findCatalogue(repository, signal);
  if (found === undefined) return undefined;
  const { namespace, tag } = location;
  const images = found.entries.map((entry) => toListed(entry, namespace));
  const wanted = tag === undefined ? images : images.filter(({ tags }) => tags.includes(tag));
  return { url, etag: found.digest, registry, images: wanted };
}
