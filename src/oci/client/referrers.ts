// SPDX-License-Identifier: Apache-2.0
import { isDowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import type { Descriptor } from "../descriptor.ts";
import { type Digest, digestAlgorithm, digestHex, digestOf } from "../digest.ts";
import { decodeIndex, encodeIndex, type ImageIndex } from "../manifest.ts";
import { isIndexType, mediaTypes } from "../mediatypes.ts";
import { contentType, discard, readBody } from "./answer.ts";
import { nextPage } from "./lists.ts";
import { fetchManifest, putManifest } from "./manifests.ts";
import type { Transport } from "./transport.ts";

/**
 * What refers to a manifest by `subject`: the referrers API, or where the registry lacks it, the index under the
 * tag `sha256-HEX` (OCI distribution specification 1.1, "Listing referrers").
 */
export async function listReferrers(
  transport: Transport,
  repository: string,
  digest: Digest,
  artifactType?: string,
  signal?: AbortSignal,
): Promise<readonly Descriptor[]> {
  const found: Descriptor[] = [];
  const query = artifactType === undefined ? "" : `?artifactType=${encodeURIComponent(artifactType)}`;
  let url: URL | undefined = new URL(`v2/${repository}/referrers/${digest}${query}`, transport.base);
  for (let pages = 0; url !== undefined && pages < limits.registryListPages; pages++) {
    const scopes = [`repository:${repository}:pull`];
    const answer = await transport.request({ method: "GET", url, scopes, expect: [200, 404, 405], signal });
    if (answer.response.status !== 200 || !isIndexType(contentType(answer))) {
      await discard(answer);
      const index = await fallbackIndex(transport, repository, digest, signal);
      found.push(...(index?.manifests ?? []));
      break;
    }
    const bytes = await readBody(answer, limits.ociDocumentBytes);
    found.push(...decodeIndex(bytes, contentType(answer), answer.what).manifests);
    url = nextPage(answer, transport.base);
  }
  return found.filter((entry) => artifactType === undefined || entry.artifactType === artifactType);
}

/** Adds a referrer to the fallback tag, for a registry that did not do so itself. */
export async function addFallbackReferrer(
  transport: Transport,
  repository: string,
  subject: Digest,
  referrer: Descriptor,
  signal?: AbortSignal,
): Promise<void> {
  const index = await fallbackIndex(transport, repository, subject, signal);
  const others = index?.manifests.filter(({ digest }) => digest !== referrer.digest) ?? [];
  const bytes = encodeIndex({
    mediaType: mediaTypes.ociIndex,
    manifests: [...others, referrer],
    annotations: index?.annotations ?? new Map(),
  });
  const descriptor = { mediaType: mediaTypes.ociIndex, digest: digestOf(bytes), size: bytes.byteLength };
  await putManifest(transport, repository, { descriptor, bytes }, fallbackTag(subject), signal);
}

function fallbackTag(digest: Digest): string {
  return `${digestAlgorithm(digest)}-${digestHex(digest)}`.slice(0, 128);
}

async function fallbackIndex(
  transport: Transport,
  repository: string,
  digest: Digest,
  signal: AbortSignal | undefined,
): Promise<ImageIndex | undefined> {
  const tag = fallbackTag(digest);
  try {
    const { descriptor, bytes } = await fetchManifest(transport, repository, tag, signal);
    return decodeIndex(bytes, descriptor.mediaType, `${transport.name}${repository}:${tag}`);
  } catch (error) {
    if (isDowelError(error, "REGISTRY_NOT_FOUND")) return undefined;
    throw error;
  }
}
