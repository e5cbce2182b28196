// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from "node:timers/promises";
import { zstdCompressSync } from "node:zlib";
import { checkCancelled, DowelError, isDowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import type { Repository } from "../../oci/client/registry.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import { digestOf } from "../../oci/digest.ts";
import { decodeManifest, encodeManifest } from "../../oci/manifest.ts";
import { mediaTypes } from "../../oci/mediatypes.ts";
import type { ResolvedDocument } from "../../oci/source.ts";
import {
  catalogueLayerType,
  catalogueType,
  decodeEntry,
  type Entry,
  encodeCatalogue,
  encodeEntry,
  entryType,
  type TaggedEntry,
} from "./format.ts";
import { findCatalogue } from "./read.ts";
import { type EntryTag, isWithdrawal, keyOf, newestTags, nextEntryTag, parseEntryTag } from "./tags.ts";

/** An image to list, with the bytes that the descriptors of its AppStream data stand for. */
export interface Publication {
  readonly entry: Entry;
  readonly files: readonly Uint8Array[];
}

const emptyConfig = new TextEncoder().encode("{}");
/** A manifest that is refused so many times in a row is not wanted. */
const mostRefusals = 4;
const tagAnnotation = "org.dowel.catalogue.tag";

export async function putBytes(
  repository: Repository,
  mediaType: string,
  bytes: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<Descriptor> {
  const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.byteLength };
  if (await repository.hasBlob(descriptor, signal)) return descriptor;
  await repository.putBlob(
    descriptor,
    (async function* () {
      yield bytes;
    })(),
    signal,
  );
  return descriptor;
}

export async function putArtifact(
  repository: Repository,
  artifact: { readonly type: string; readonly layers: readonly Descriptor[]; readonly tag: string },
  signal: AbortSignal | undefined,
): Promise<void> {
  const config = await putBytes(repository, mediaTypes.ociEmpty, emptyConfig, signal);
  const bytes = encodeManifest({
    mediaType: mediaTypes.ociManifest,
    artifactType: artifact.type,
    config,
    layers: artifact.layers,
    // So that no two entries are one manifest: a registry deletes a manifest with all its tags.
    annotations: new Map([[tagAnnotation, artifact.tag]]),
  });
  const descriptor = { mediaType: mediaTypes.ociManifest, digest: digestOf(bytes), size: bytes.byteLength };
  const document: ResolvedDocument = { descriptor, bytes };
  await putPatiently(repository, document, artifact.tag, signal);
}

/**
 * A registry may look at a blob while somebody else uploads the same one (all entries have one config in common), take it
 * for damaged, and refuse the manifest; docker-registry on plain files does. A moment later it does not.
 */
async function putPatiently(
  repository: Repository,
  document: ResolvedDocument,
  tag: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await repository.putManifest(document, tag, signal);
    } catch (error) {
      if (!isDowelError(error, "REGISTRY_REFUSED") || attempt >= mostRefusals) throw error;
    }
    await sleep(100 * attempt, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
    checkCancelled(signal);
  }
}

export async function listTags(repository: Repository, signal: AbortSignal | undefined): Promise<string[]> {
  try {
    return (await Array.fromAsync(repository.tags(signal))).flat();
  } catch (error) {
    if (isDowelError(error, "REGISTRY_NOT_FOUND")) return [];
    throw error;
  }
}

async function putEntry(
  repository: Repository,
  { entry, files }: Publication,
  tag: EntryTag,
  signal: AbortSignal | undefined,
): Promise<void> {
  const layers = [await putBytes(repository, entryType, encodeEntry(entry), signal)];
  const described = [...entry.appstream.values()];
  for (const [at, bytes] of files.entries()) {
    layers.push(await putBytes(repository, described[at]?.mediaType ?? entryType, bytes, signal));
  }
  await putArtifact(repository, { type: entryType, layers, tag: tag.tag }, signal);
}

/** Reads an entry by its tag; undefined where a newer one has taken its place meanwhile, or where it is damaged. */
async function getEntry(
  repository: Repository,
  tag: string,
  signal: AbortSignal | undefined,
): Promise<Entry | undefined> {
  const what = `${repository.name}:${tag}`;
  try {
    const { descriptor, bytes } = await repository.resolve(tag, signal);
    const [layer] = decodeManifest(bytes, descriptor.mediaType, what).layers;
    return layer === undefined ? undefined : decodeEntry(await repository.fetchDocument(layer, signal), what);
  } catch (error) {
    const isLost = isDowelError(error, "REGISTRY_NOT_FOUND") || isDowelError(error, "REGISTRY_RESPONSE");
    if (isLost || isDowelError(error, "OCI_MANIFEST_INVALID")) return undefined;
    throw error;
  }
}

/** All entries that shall be in `latest`; those that it has already are taken from there. */
async function gather(
  repository: Repository,
  tags: Iterable<EntryTag>,
  present: ReadonlyMap<string, TaggedEntry>,
  signal: AbortSignal | undefined,
): Promise<readonly TaggedEntry[]> {
  const entries: TaggedEntry[] = [];
  for (const entryTag of tags) {
    const { tag, key } = entryTag;
    if (isWithdrawal(entryTag)) continue;
    const known = present.get(tag);
    const entry = known?.entry ?? (await getEntry(repository, tag, signal));
    // A tag with the key of another ref would push that one out of the list.
    if (entry !== undefined && keyOf(entry) === key) entries.push({ tag, entry });
  }
  return entries;
}

async function writeCatalogue(
  repository: Repository,
  entries: readonly TaggedEntry[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const layer = await putBytes(repository, catalogueLayerType, zstdCompressSync(encodeCatalogue(entries)), signal);
  await putArtifact(repository, { type: catalogueType, layers: [layer], tag: "latest" }, signal);
}

/**
 * Makes `latest` list every entry that is in the repository. It is written from the list of tags and looked at again
 * afterwards, until a look finds nothing to add. Whoever writes `latest` last has looked at the tags after that; an
 * entry that came later than the look brings its own publisher here, who writes after it. So nobody's entry stays out.
 */
async function bringUpToDate(repository: Repository, own: readonly EntryTag[], signal: AbortSignal | undefined) {
  for (let attempt = 1; attempt <= limits.catalogueAttempts; attempt++) {
    const listed = await listTags(repository, signal);
    const current = await findCatalogue(repository, signal);
    const present = new Map(current?.entries.map((tagged) => [tagged.tag, tagged]));
    // A registry's list of tags may be a little behind, and somebody may have published since it was made.
    const tags = newestTags([...listed, ...present.keys(), ...own.map(({ tag }) => tag)]);
    const entries = await gather(repository, tags.values(), present, signal);
    const isSame =
      current !== undefined && present.size === entries.length && entries.every(({ tag }) => present.has(tag));
    if (isSame) return listed;
    await writeCatalogue(repository, entries, signal);
    if (attempt > 2)
      await sleep(Math.random() * 50 * attempt, undefined, { ...(signal === undefined ? {} : { signal }) });
    checkCancelled(signal);
  }
  throw new DowelError("REGISTRY_REFUSED", `${repository.name}: others keep changing the catalogue`, {
    hint: "The image is pushed; run the same command again to list it.",
  });
}

/** Takes away the entries that newer ones of the same key replace. Registries that cannot delete keep them. */
async function prune(repository: Repository, tags: readonly string[], own: readonly EntryTag[], signal?: AbortSignal) {
  const keys = new Set(own.map(({ key }) => key));
  const newest = newestTags([...tags, ...own.map(({ tag }) => tag)]);
  for (const tag of tags) {
    const parsed = parseEntryTag(tag);
    if (parsed === undefined || !keys.has(parsed.key) || newest.get(parsed.key)?.tag === tag) continue;
    try {
      const head = await repository.head(tag, signal);
      if (head !== undefined) await repository.deleteManifest(head.digest, signal);
    } catch (error) {
      if (!isDowelError(error) || error.code === "ABORTED") throw error;
      return;
    }
  }
}

/**
 * Lists images in the catalogue of a namespace, which is made where there is none. What is listed already in the same
 * version stays as it is. Several may do so at once. Throws what the registry throws; an entry that was written then
 * will be listed by whoever publishes next.
 */
export async function publish(
  repository: Repository,
  publications: readonly Publication[],
  signal?: AbortSignal,
): Promise<void> {
  const before = newestTags(await listTags(repository, signal));
  const own: EntryTag[] = [];
  for (const publication of publications) {
    const previous = before.get(keyOf(publication.entry));
    const tag = nextEntryTag(publication.entry, previous);
    if (previous?.image === tag.image) {
      own.push(previous);
      continue;
    }
    await putEntry(repository, publication, tag, signal);
    own.push(tag);
  }
  await announce(repository, own, signal);
}

/** Makes `latest` of all entries after some were written, and takes away those that they replace. */
export async function announce(
  repository: Repository,
  own: readonly EntryTag[],
  signal: AbortSignal | undefined,
): Promise<void> {
  await prune(repository, await bringUpToDate(repository, own, signal), own, signal);
}
