// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import type { Descriptor } from "../descriptor.ts";
import { type Digest, digestAlgorithm, digestOf, isDigest } from "../digest.ts";
import { guessMediaType } from "../manifest.ts";
import { acceptedDocuments, isIndexType, isManifestType } from "../mediatypes.ts";
import type { ResolvedDocument } from "../source.ts";
import { type Answer, contentType, discard, readBody } from "./answer.ts";
import type { Transport } from "./transport.ts";

/** A manifest or index by tag or digest; its bytes are checked against the digest asked for or stated. */
export async function fetchManifest(
  transport: Transport,
  repository: string,
  reference: string,
  signal?: AbortSignal,
): Promise<ResolvedDocument> {
  const answer = await transport.request({
    method: "GET",
    url: `v2/${repository}/manifests/${reference}`,
    headers: { accept: acceptedDocuments },
    scopes: [`repository:${repository}:pull`],
    expect: [200],
    signal,
  });
  if (contentType(answer) === "text/html") {
    await discard(answer);
    throw new DowelError("REGISTRY_RESPONSE", `${answer.what}: an HTML page, expected a manifest`);
  }
  const bytes = await readBody(answer, limits.ociDocumentBytes);
  const digest = checkDigest(answer, bytes, reference);
  return { descriptor: { mediaType: mediaTypeOf(answer, bytes), digest, size: bytes.byteLength }, bytes };
}

/** What a tag or digest stands for, without fetching it; undefined where the registry has no such manifest. */
export async function headManifest(
  transport: Transport,
  repository: string,
  reference: string,
  signal?: AbortSignal,
): Promise<Descriptor | undefined> {
  const answer = await transport.request({
    method: "HEAD",
    url: `v2/${repository}/manifests/${reference}`,
    headers: { accept: acceptedDocuments },
    scopes: [`repository:${repository}:pull`],
    expect: [200, 404],
    signal,
  });
  const { status, headers } = answer.response;
  await discard(answer);
  if (status === 404) return undefined;
  const digest = isDigest(reference) ? reference : (headers.get("docker-content-digest") ?? "");
  const size = Number(headers.get("content-length") ?? "");
  if (isDigest(digest) && size > 0) return { mediaType: contentType(answer), digest, size };
  // some registries leave these headers out of HEAD answers
  return (await fetchManifest(transport, repository, reference, signal)).descriptor;
}

/** Stores a manifest; true where the registry says that it took note of its subject. */
export async function putManifest(
  transport: Transport,
  repository: string,
  { descriptor, bytes }: ResolvedDocument,
  reference: string,
  signal?: AbortSignal,
): Promise<boolean> {
  const answer = await transport.request({
    method: "PUT",
    url: `v2/${repository}/manifests/${reference}`,
    headers: { "content-type": descriptor.mediaType },
    body: bytes,
    scopes: [`repository:${repository}:pull,push`],
    expect: [201],
    signal,
  });
  await discard(answer);
  const stated = answer.response.headers.get("docker-content-digest");
  if (stated !== null && stated !== descriptor.digest && digestAlgorithm(descriptor.digest) === "sha256") {
    throw new DowelError("REGISTRY_RESPONSE", `${answer.what}: stored as ${stated}, expected ${descriptor.digest}`);
  }
  return answer.response.headers.has("oci-subject");
}

function checkDigest(answer: Answer, bytes: Uint8Array, reference: string): Digest {
  const stated = answer.response.headers.get("docker-content-digest");
  const wanted = isDigest(reference) ? reference : stated;
  if (wanted === null) return digestOf(bytes);
  if (!isDigest(wanted)) {
    throw new DowelError("REGISTRY_RESPONSE", `${answer.what}: Docker-Content-Digest "${wanted}" is not a digest`);
  }
  const found = digestOf(bytes, digestAlgorithm(wanted));
  if (found === wanted) return found;
  throw new DowelError("DIGEST_MISMATCH", `${answer.what}: digest is ${found}, expected ${wanted}`);
}

function mediaTypeOf(answer: Answer, bytes: Uint8Array): string {
  const type = contentType(answer);
  if (isIndexType(type) || isManifestType(type)) return type;
  const vague = ["", "application/json", "application/octet-stream", "text/plain"].includes(type);
  const guess = vague ? guessMediaType(bytes, answer.what) : undefined;
  if (guess !== undefined) return guess;
  throw new DowelError("REGISTRY_RESPONSE", `${answer.what}: Content-Type "${type}" is not that of a manifest`);
}
