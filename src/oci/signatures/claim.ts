// SPDX-License-Identifier: Apache-2.0
import { encodeUtf8 } from "../../base/text.ts";
import { type Digest, isDigest } from "../digest.ts";
import { exactFields, parseStrictJson } from "./strict.ts";

/** What a signature says. To be read only after its cryptography held. */
export interface Claim {
  /** Of the signed manifest. */
  readonly digest: Digest;
  /** `HOST/REPOSITORY`, perhaps with `:TAG` or `@DIGEST`. */
  readonly reference: string;
}

/** The two formats that share one payload: containers' simple signing and cosign's classic signatures. */
export type ClaimType = "atomic container signature" | "cosign container image signature";

/**
 * Reads the payload that containers-signature(5) describes. Unknown members of `critical` are refused, as that page
 * demands; `optional` says nothing that is trusted. Throws `SIGNATURE_INVALID`.
 */
export function decodeClaim(bytes: Uint8Array, type: ClaimType, what: string): Claim {
  const root = exactFields(parseStrictJson(bytes, what, "SIGNATURE_INVALID"), ["critical"], ["optional"]);
  const critical = exactFields(root.critical, ["type", "image", "identity"]);
  if (critical.type.text() !== type) critical.type.fail(JSON.stringify(type));
  const image = exactFields(critical.image, ["docker-manifest-digest"]);
  const digest = image["docker-manifest-digest"].text();
  if (!isDigest(digest)) return image["docker-manifest-digest"].fail("a digest, sha256:HEX");
  const identity = exactFields(critical.identity, ["docker-reference"]);
  return { digest, reference: identity["docker-reference"].text() };
}

/** The same bytes for the same claim, so that signing twice makes one payload. */
export function encodeClaim(claim: Claim, type: ClaimType): Uint8Array {
  const critical = {
    identity: { "docker-reference": claim.reference },
    image: { "docker-manifest-digest": claim.digest },
    type,
  };
  // What containers' tools read must be an object; cosign writes null.
  return encodeUtf8(JSON.stringify({ critical, optional: type === "atomic container signature" ? {} : null }));
}
