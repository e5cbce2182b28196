// SPDX-License-Identifier: Apache-2.0
import { DowelError, isDowelError } from "../base/errors.ts";
import { formatRef, type Ref } from "../metadata/ref.ts";
import { type AttestationKind, type FoundAttestation, findAttestations } from "../oci/attestations.ts";
import type { Digest } from "../oci/digest.ts";
import { parseStrictJson } from "../oci/signatures/strict.ts";
import { listRemotes } from "../remotes/config.ts";
import { openPlace } from "../remotes/place.ts";
import { verifyImage } from "../remotes/trust/verify.ts";
import type { ImagePlace, Remote } from "../remotes/types.ts";
import type { Installation } from "../store/installation.ts";
import { describeProvenance, type ProvenanceSummary } from "./attested/provenance.ts";
import { describeSbom, type SbomSummary } from "./attested/spdx.ts";
import { placeOf } from "./commit.ts";
import { type FindOptions, findInstalled } from "./find.ts";
import { findOffered, type RemoteInfoOptions } from "./remoteinfo.ts";

/** What was said of an image: whole, and what a person wants to know of it. */
export interface Attested {
  readonly ref: string;
  /** Manifest digest of the image, hex. */
  readonly commit: string;
  /** Who signed the document; empty where the policy asks for nobody. */
  readonly signers: readonly string[];
  /** The document, as JSON. */
  readonly document: unknown;
  readonly summary: SbomSummary | ProvenanceSummary;
}

interface Asked {
  readonly home: Installation;
  readonly remote: Remote | undefined;
  readonly place: ImagePlace;
  readonly ref: Ref;
  readonly commit: string;
}

const names = { sbom: "list of its parts", provenance: "provenance" } as const;

/** The last that is well formed and that the policy of the image's place lets in, as it would the image. */
async function read(
  { home, remote, place, ref, commit }: Asked,
  kind: AttestationKind,
  signal: AbortSignal | undefined,
): Promise<Attested> {
  await using source = await openPlace(place, signal);
  const found = await findAttestations(source, `sha256:${commit}` as Digest, kind, signal);
  let problem: DowelError | undefined;
  for (const one of found.toReversed()) {
    try {
      const decoded = decode(one, kind, commit, source.name);
      if (decoded === undefined) continue;
      const signers = await verifyImage(home, place, one.descriptor.digest, { remote, signal });
      return { ref: formatRef(ref), commit, signers, ...decoded };
    } catch (error) {
      if (!isDowelError(error) || error.code === "ABORTED") throw error;
      problem ??= error;
    }
  }
  if (problem !== undefined) throw problem;
  throw new DowelError("ATTESTATION_MISSING", `${source.name}@sha256:${commit} has no ${names[kind]}`, {
    hint: "`dowel build` hangs it on the images that it makes, and `dowel push` keeps it.",
  });
}

/** Undefined for a statement that is about something else. Throws `ATTESTATION_INVALID` for what is no such document. */
function decode(one: FoundAttestation, kind: AttestationKind, commit: string, place: string) {
  const what = `${place}@${one.descriptor.digest}`;
  const value = parseStrictJson(one.bytes, what, "ATTESTATION_INVALID");
  const summary = kind === "sbom" ? describeSbom(value) : describeProvenance(value, commit);
  if (summary === undefined) return undefined;
  const document: unknown = JSON.parse(Buffer.from(one.bytes).toString("utf8"));
  return { document, summary };
}

/** What was said of something installed, from where it came. Throws `ATTESTATION_MISSING` and what a policy throws. */
export async function installedAttestation(
  installations: readonly Installation[],
  name: string,
  kind: AttestationKind,
  options: FindOptions & { readonly signal?: AbortSignal | undefined } = {},
): Promise<Attested> {
  const { installation: home, deployment } = findInstalled(installations, name, options);
  const { ref, commit, origin } = deployment;
  const remote = listRemotes(home).find((one) => one.name === origin);
  return read({ home, remote, place: placeOf(home, deployment), ref, commit }, kind, options.signal);
}

/** What was said of something that a remote offers. */
export async function offeredAttestation(
  installations: readonly Installation[],
  remoteName: string,
  name: string,
  kind: AttestationKind,
  options: RemoteInfoOptions = {},
): Promise<Attested> {
  const { image, installation: home, remote } = await findOffered(installations, remoteName, name, options);
  const { place, ref, commit } = image;
  return read({ home, remote, place, ref, commit }, kind, options.signal);
}
