// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";
import type { Attested } from "../engine/attestations.ts";
import type { AttestationKind } from "../oci/attestations.ts";
import { attestedText } from "../render/attested.ts";
import type { Result } from "../render/result.ts";
import { switchFlag } from "./flags.ts";

export const attestationFlags = {
  sbom: switchFlag("List what it was made of; with --json the whole SPDX document"),
  provenance: switchFlag("Show how it was made, and of what; with --json the whole statement"),
};

/** What the options ask for. */
export function askedAttestation(flags: {
  readonly sbom?: boolean;
  readonly provenance?: boolean;
}): AttestationKind | undefined {
  if (flags.sbom === true && flags.provenance === true) {
    throw new DowelError("USAGE", "--sbom and --provenance cannot be given together");
  }
  if (flags.sbom === true) return "sbom";
  return flags.provenance === true ? "provenance" : undefined;
}

export function attestationResult(attested: Attested, json: boolean): Result {
  return json ? { kind: "json", value: attested.document } : { kind: "text", text: attestedText(attested) };
}
