// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { DowelError } from "../../base/errors.ts";
import { encodeUtf8 } from "../../base/text.ts";
import type { ClassicSignature } from "./found.ts";
import { exactFields, parseStrictJson } from "./strict.ts";

/** Cosign's annotation as an entry of the transparency log; the signed promise covers body, time, index and log. */
function logEntry(text: string) {
  const parsed = parseStrictJson(encodeUtf8(text), "log entry", "SIGNATURE_INVALID");
  const root = exactFields(parsed, ["SignedEntryTimestamp", "Payload"]);
  const payload = exactFields(root.Payload, ["body", "integratedTime", "logIndex", "logID"]);
  return {
    logIndex: String(payload.logIndex.size()),
    logId: { keyId: Buffer.from(payload.logID.text(), "hex").toString("base64") },
    kindVersion: { kind: "hashedrekord", version: "0.0.1" },
    integratedTime: String(payload.integratedTime.size()),
    inclusionPromise: { signedEntryTimestamp: root.SignedEntryTimestamp.text() },
    canonicalizedBody: payload.body.text(),
  };
}

function material({ certificate }: ClassicSignature, hint: string) {
  if (certificate === undefined) return { publicKey: { hint } };
  const [leaf] = certificate.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (leaf === undefined) throw new DowelError("SIGNATURE_INVALID", "its certificate is not in PEM");
  return { x509CertificateChain: { certificates: [{ rawBytes: leaf.replace(/-----[^-]+-----|\s/g, "") }] } };
}

/**
 * A classic signature as the JSON of a sigstore bundle, version 0.1, so that both formats are verified by the same code.
 * `hint` names the key where there is no certificate.
 */
export function asBundle(signature: ClassicSignature, hint: string): Uint8Array {
  const digest = createHash("sha256").update(signature.payload).digest("base64");
  const bundle = {
    mediaType: "application/vnd.dev.sigstore.bundle+json;version=0.1",
    verificationMaterial: {
      ...material(signature, hint),
      tlogEntries: signature.logEntry === undefined ? [] : [logEntry(signature.logEntry)],
    },
    messageSignature: {
      messageDigest: { algorithm: "SHA2_256", digest },
      signature: Buffer.from(signature.signature).toString("base64"),
    },
  };
  return encodeUtf8(JSON.stringify(bundle));
}
