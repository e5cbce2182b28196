// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { encodeUtf8 } from "../../base/text.ts";
import { type Digest, isDigest } from "../digest.ts";
import type { Claim } from "./claim.ts";
import { exactFields, parseStrictJson } from "./strict.ts";

/** Payload type of the envelope and type of the statement (in-toto attestation framework, Statement v1). */
export const statementPayloadType = "application/vnd.in-toto+json";
const statementType = "https://in-toto.io/Statement/v1";
/** What a signature says. Other statements of the same signer, as of a failed scan, must not count as one. */
const signatureType = "https://sigstore.dev/cosign/sign/v1";

/** What a statement is about; every subject as a claim. Throws `SIGNATURE_INVALID`. */
export function decodeStatement(bytes: Uint8Array, payloadType: string): readonly Claim[] {
  if (payloadType !== statementPayloadType) {
    throw new DowelError("SIGNATURE_INVALID", `its envelope holds ${payloadType}, expected ${statementPayloadType}`);
  }
  const parsed = parseStrictJson(bytes, "statement", "SIGNATURE_INVALID");
  const root = exactFields(parsed, ["_type", "subject", "predicateType"], ["predicate"]);
  root._type.oneOf([statementType]);
  root.predicateType.oneOf([signatureType]);
  return root.subject.list().map((item) => {
    const subject = exactFields(item, ["digest"], ["name", "annotations"]);
    const { sha256 } = exactFields(subject.digest, ["sha256"]);
    const digest = `sha256:${sha256.text()}`;
    if (!isDigest(digest)) return sha256.fail("64 hex digits");
    return { digest, reference: subject.name?.text() ?? "" };
  });
}

export function encodeStatement(claim: { readonly digest: Digest; readonly reference: string }): Uint8Array {
  const subject = [{ name: claim.reference, digest: { sha256: claim.digest.slice("sha256:".length) } }];
  const statement = { _type: statementType, subject, predicateType: signatureType, predicate: {} };
  return encodeUtf8(JSON.stringify(statement));
}
