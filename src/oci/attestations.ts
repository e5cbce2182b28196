// SPDX-License-Identifier: Apache-2.0
import { encodeUtf8 } from "../base/text.ts";
import { putBytes, putDocument } from "./artifact.ts";
import type { Descriptor } from "./descriptor.ts";
import type { Digest } from "./digest.ts";
import { decodeManifest } from "./manifest.ts";
import { mediaTypes } from "./mediatypes.ts";
import type { ImageDestination, ImageSource } from "./source.ts";

/** A list of the parts of an image (SPDX), or how it was made (in-toto statement). */
export type AttestationKind = "sbom" | "provenance";

const types: Readonly<Record<AttestationKind, string>> = {
  sbom: "application/spdx+json",
  provenance: "application/vnd.in-toto+json",
};

/** By this others tell a provenance from further statements (in-toto attestation framework, OCI artifacts). */
const predicateAnnotation = "in-toto.io/predicate-type";
export const provenanceType = "https://slsa.dev/provenance/v1";

/** What was said of an image, and the manifest by which it hangs on it. Nothing in it is checked. */
export interface FoundAttestation {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

/** Hangs a document on an image as an artifact that refers to it (OCI image specification 1.1, `subject`). */
export async function attachAttestation(
  target: ImageDestination,
  subject: Descriptor,
  kind: AttestationKind,
  bytes: Uint8Array,
  signal?: AbortSignal,
): Promise<Descriptor> {
  const artifactType = types[kind];
  const annotations = new Map(kind === "provenance" ? [[predicateAnnotation, provenanceType]] : []);
  const layer = await putBytes(target, bytes, artifactType, signal);
  const document = {
    mediaType: mediaTypes.ociManifest,
    artifactType,
    config: await putBytes(target, encodeUtf8("{}"), mediaTypes.ociEmpty, signal),
    layers: [annotations.size === 0 ? layer : { ...layer, annotations }],
    annotations,
    subject: { mediaType: subject.mediaType, digest: subject.digest, size: subject.size },
  };
  return putDocument(target, document, undefined, signal);
}

/** The manifests of all that was said of an image in one of both forms. */
export async function listAttestations(
  source: ImageSource,
  image: Digest,
  signal?: AbortSignal,
): Promise<readonly Descriptor[]> {
  const referrers = (await source.referrers?.(image, undefined, signal)) ?? [];
  const wanted: readonly (string | undefined)[] = Object.values(types);
  return referrers.filter(({ artifactType }) => wanted.includes(artifactType));
}

/** What was said of an image, in the order in which its place lists it; what is about something else is passed over. */
export async function findAttestations(
  source: ImageSource,
  image: Digest,
  kind: AttestationKind,
  signal?: AbortSignal,
): Promise<readonly FoundAttestation[]> {
  const found: FoundAttestation[] = [];
  for (const referrer of (await source.referrers?.(image, types[kind], signal)) ?? []) {
    const manifest = await source.fetchDocument(referrer, signal);
    const { subject, layers } = decodeManifest(manifest, referrer.mediaType, `${source.name}@${referrer.digest}`);
    const [layer, second] = layers;
    if (subject?.digest !== image || layer?.mediaType !== types[kind] || second !== undefined) continue;
    const predicate = layer.annotations?.get(predicateAnnotation);
    if (kind === "provenance" && predicate !== undefined && predicate !== provenanceType) continue;
    found.push({ descriptor: referrer, bytes: await source.fetchDocument(layer, signal) });
  }
  return found;
}
