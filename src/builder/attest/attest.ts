// SPDX-License-Identifier: Apache-2.0
import { attachAttestation } from "../../oci/attestations.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import type { ImageDestination } from "../../oci/source.ts";
import type { BuildFacts } from "./facts.ts";
import { encodeProvenance } from "./provenance.ts";
import { type AttestedImage, encodeSpdx } from "./spdx.ts";

/** Hangs on an image what it was made of and how; the same facts give the same artifacts. */
export async function attest(
  target: ImageDestination,
  subject: Descriptor,
  about: Omit<AttestedImage, "digest">,
  facts: BuildFacts,
  signal: AbortSignal | undefined,
): Promise<void> {
  const image = { ...about, digest: subject.digest };
  await attachAttestation(target, subject, "sbom", encodeSpdx(image, facts), signal);
  await attachAttestation(target, subject, "provenance", encodeProvenance(image, facts), signal);
}
