// SPDX-License-Identifier: Apache-2.0
import type { DowelError } from "../base/errors.ts";
import { Registry } from "../oci/client/registry.ts";
import { openLayout, openLayoutArchive, refNameAnnotation } from "../oci/layout.ts";
import type { Catalogue } from "./images.ts";
import { readCachedCatalogue, usable, writeCachedCatalogue } from "./indexcache.ts";
import { inspectDescriptor, inspectDocument } from "./inspect.ts";
import type { ImageLocation, LayoutLocation } from "./location.ts";
import { type ListOptions, wantedArch } from "./readremote.ts";
import type { ListedImage, Remote } from "./types.ts";

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
