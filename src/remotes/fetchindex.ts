// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { decodeUtf8 } from "../base/text.ts";
import { type Answer, discard, readBody } from "../oci/client/answer.ts";
import { Transport } from "../oci/client/transport.ts";
import { deltaUrlLabel } from "../oci/deltas.ts";
import type { CachedCatalogue } from "./indexcache.ts";
import type { RegistryLocation } from "./location.ts";
import { parseStaticIndex, staticIndexUrl } from "./staticindex.ts";
import type { ListedImage } from "./types.ts";

/** Statuses by which a registry says that it knows no such address. */
const absent = [400, 404, 405, 501];

function registryAddress(relative: string, answer: Answer): string {
  const url = URL.canParse(relative, answer.url.href) ? new URL(relative, answer.url.href) : undefined;
  if (url === undefined || !["http:", "https:"].includes(url.protocol)) {
    throw new DowelError("REGISTRY_RESPONSE", `${answer.what}: Registry is no address of a registry`);
  }
  if (answer.url.protocol === "https:" && url.protocol === "http:") {
    throw new DowelError("REGISTRY_RESPONSE", `${answer.what}: Registry leads from https to http`);
  }
  url.search = "";
  url.hash = "";
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  return url.href;
}

/** Whether a text can be meant as JSON, and not as a page that stands in for it. */
function isJsonLike(text: string): boolean {
  return /^\s*[{[]/.test(text);
}

async function readIndex(answer: Answer, asked: string): Promise<CachedCatalogue | undefined> {
  const text = decodeUtf8(await readBody(answer, limits.remoteIndexBytes));
  if (text === undefined || !isJsonLike(text)) return undefined;
  const { registry, images } = parseStaticIndex(text, answer.what);
  const etag = answer.response.headers.get("etag") ?? undefined;
  const whole = images.map((image) => withDeltaUrl(image, answer.url));
  return { url: asked, etag, registry: registryAddress(registry, answer), images: whole };
}

/** An image whose address of deltas, which is relative to the index's own, is a whole one. */
function withDeltaUrl(image: ListedImage, index: URL): ListedImage {
  const relative = image.labels.get(deltaUrlLabel);
  if (relative === undefined || !URL.canParse(relative, index.href)) return image;
  return { ...image, labels: new Map(image.labels).set(deltaUrlLabel, new URL(relative, index.href).href) };
}

interface Attempt {
  readonly url: string;
  /** Whether the index is the whole registry's, of which only the namespace counts. */
  readonly whole: boolean;
}

/** Where an index may be, the likeliest first; what answered the last time comes before all others. */
function attempts(
  location: RegistryLocation,
  arch: string | undefined,
  cached: CachedCatalogue | undefined,
): readonly Attempt[] {
  const { baseUrl, namespace, tag } = location;
  const tags = tag === undefined ? [undefined, "latest"] : [tag];
  const own = tags.map((one) => ({ url: staticIndexUrl(baseUrl, arch, one), whole: false }));
  const root = new URL("/", baseUrl).href;
  const whole = namespace === "" ? [] : tags.map((one) => ({ url: staticIndexUrl(root, arch, one), whole: true }));
  const all = [...own, ...whole];
  return [...all.filter(({ url }) => url === cached?.url), ...all.filter(({ url }) => url !== cached?.url)];
}

function inNamespace(index: CachedCatalogue, namespace: string): CachedCatalogue {
  return { ...index, images: index.images.filter(({ repository }) => repository.startsWith(`${namespace}/`)) };
}

/**
 * Fetches a remote's static index. First every tag is asked for, so that all branches of a repository are seen; an
 * index that wants a tag is asked for `latest`, as Flatpak does. A namespace without an index may be in that of the
 * whole registry. Undefined where there is no index, or only answers that are no JSON. What has not changed since
 * `cached` is not sent again.
 */
export async function fetchStaticIndex(
  location: RegistryLocation,
  arch: string | undefined,
  cached: CachedCatalogue | undefined,
  signal: AbortSignal | undefined,
): Promise<CachedCatalogue | undefined> {
  const transport = new Transport(location.baseUrl);
  for (const { url, whole } of attempts(location, arch, cached)) {
    const etag = cached?.url === url ? cached.etag : undefined;
    const answer = await transport.request({
      method: "GET",
      url,
      headers: { accept: "application/json", ...(etag === undefined ? {} : { "if-none-match": etag }) },
      scopes: [],
      expect: [200, 304, ...absent],
      signal,
    });
    if (answer.response.status === 200) {
      const index = await readIndex(answer, url);
      if (index !== undefined) return whole ? inNamespace(index, location.namespace) : index;
      continue;
    }
    await discard(answer);
    if (answer.response.status === 304 && cached?.url === url) return cached;
  }
  return undefined;
}
