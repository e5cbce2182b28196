// SPDX-License-Identifier: Apache-2.0
import { limits } from "../base/limits.ts";
import { type Descriptor, encodeDescriptor } from "../oci/descriptor.ts";
import { type Digest, digestAlgorithm, digestOf, isDigest } from "../oci/digest.ts";
import { decodeDocument } from "../oci/manifest.ts";
import { mediaTypes } from "../oci/mediatypes.ts";
import { collect } from "../oci/verify.ts";
import { Failure } from "./failure.ts";
import { bodyOf, type Context, isHead } from "./request.ts";

export async function getManifest(context: Context, repository: string, reference: string): Promise<Response> {
  const stored = await context.store.manifest(repository, reference);
  if (stored === undefined) throw new Failure("MANIFEST_UNKNOWN", `${repository} has no manifest ${reference}`);
  const { mediaType, digest, size } = stored.descriptor;
  const headers = { "docker-content-digest": digest, etag: `"${digest}"`, "content-type": mediaType };
  if (context.request.headers.get("if-none-match")?.includes(digest) === true) {
    return new Response(null, { status: 304, headers });
  }
  if (isHead(context)) return new Response(null, { headers: { ...headers, "content-length": String(size) } });
  return new Response(stored.bytes, { headers });
}

export async function putManifest(context: Context, repository: string, reference: string): Promise<Response> {
  const mediaType = context.request.headers.get("content-type")?.split(";", 1)[0]?.trim() ?? "";
  const bytes = await collect(bodyOf(context), limits.ociDocumentBytes, "the manifest");
  const digest = digestOf(bytes, isDigest(reference) ? digestAlgorithm(reference) : "sha256");
  if (isDigest(reference) && reference !== digest) {
    throw new Failure("DIGEST_INVALID", `the manifest has the digest ${digest}, not ${reference}`);
  }
  const stored = { descriptor: { mediaType, digest, size: bytes.byteLength }, bytes };
  const tag = isDigest(reference) ? undefined : reference;
  const { subject } = await context.store.putManifest(repository, stored, tag);
  return new Response(null, {
    status: 201,
    headers: {
      location: `/v2/${repository}/manifests/${digest}`,
      "docker-content-digest": digest,
      ...(subject === undefined ? {} : { "oci-subject": subject.digest }),
    },
  });
}

export async function deleteManifest({ store }: Context, repository: string, reference: string): Promise<Response> {
  const deleted = isDigest(reference)
    ? await store.deleteManifest(repository, reference)
    : await store.deleteTag(repository, reference);
  if (!deleted) throw new Failure("MANIFEST_UNKNOWN", `${repository} has no manifest ${reference}`);
  return new Response(null, { status: 202 });
}

/** An index of what refers to a manifest; empty where nothing does, or where nobody knows it. */
export async function getReferrers({ store, url }: Context, repository: string, digest: Digest): Promise<Response> {
  const wanted = url.searchParams.get("artifactType");
  const found: Descriptor[] = [];
  for (const referrer of await store.referrers(repository, digest)) {
    const stored = await store.manifest(repository, referrer);
    if (stored === undefined) continue;
    const { mediaType } = stored.descriptor;
    const document = decodeDocument(stored.bytes, mediaType, referrer);
    const artifactType =
      document.artifactType ?? (document.kind === "manifest" ? document.config.mediaType : undefined);
    if (wanted !== null && wanted !== artifactType) continue;
    const { annotations } = document;
    found.push({ ...stored.descriptor, annotations, ...(artifactType === undefined ? {} : { artifactType }) });
  }
  const index = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: found.map(encodeDescriptor) };
  return new Response(JSON.stringify(index), {
    headers: {
      "content-type": mediaTypes.ociIndex,
      ...(wanted === null ? {} : { "oci-filters-applied": "artifactType" }),
    },
  });
}
