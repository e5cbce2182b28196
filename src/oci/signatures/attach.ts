// SPDX-License-Identifier: Apache-2.0
import type { KeyObject } from "node:crypto";
import { sign } from "node:crypto";
import { isDowelError } from "../../base/errors.ts";
import { encodeUtf8 } from "../../base/text.ts";
import { putBytes, putDocument } from "../artifact.ts";
import type { Repository } from "../client/registry.ts";
import type { Descriptor } from "../descriptor.ts";
import { decodeManifest } from "../manifest.ts";
import { mediaTypes } from "../mediatypes.ts";
import { type Claim, encodeClaim } from "./claim.ts";
import { bundleMediaType, classicAnnotations, classicMediaType, classicTag } from "./find.ts";
import { signPayload } from "./keys.ts";
import { encodeStatement, statementPayloadType } from "./statement.ts";

/** Signatures that others made stay, unless they are of the same bytes. */
async function otherSignatures(target: Repository, tag: string, signal: AbortSignal | undefined) {
  try {
    const { descriptor, bytes } = await target.resolve(tag, signal);
    return decodeManifest(bytes, descriptor.mediaType, `${target.name}:${tag}`).layers;
  } catch (error) {
    if (isDowelError(error, "REGISTRY_NOT_FOUND")) return [];
    throw error;
  }
}

/** Signs a claim by key and hangs it on the classic tag of its manifest (cosign's signature specification). */
export async function attachClassic(
  target: Repository,
  key: KeyObject,
  claim: Claim,
  signal?: AbortSignal,
): Promise<void> {
  const payload = encodeClaim(claim, "cosign container image signature");
  const signature = Buffer.from(signPayload(key, payload)).toString("base64");
  const tag = classicTag(claim.digest);
  const blob = await putBytes(target, payload, classicMediaType, signal);
  const layer: Descriptor = { ...blob, annotations: new Map([[classicAnnotations.signature, signature]]) };
  const others = await otherSignatures(target, tag, signal);
  const diffIds = [...others, layer].map(({ digest }) => digest);
  const config = { architecture: "", os: "", config: {}, rootfs: { type: "layers", diff_ids: diffIds } };
  const document = {
    mediaType: mediaTypes.ociManifest,
    config: await putBytes(target, encodeUtf8(JSON.stringify(config)), mediaTypes.ociConfig, signal),
    layers: [...others, layer],
    annotations: new Map<string, string>(),
  };
  await putDocument(target, document, tag, signal);
}

function envelope(key: KeyObject, claim: Claim): Uint8Array {
  const payload = encodeStatement(claim);
  // What a DSSE envelope signs: its pre-authentication encoding (DSSE protocol, version 1).
  const head = `DSSEv1 ${statementPayloadType.length} ${statementPayloadType} ${payload.byteLength} `;
  const hash = key.asymmetricKeyType === "ed25519" ? null : "sha256";
  const signature = sign(hash, Buffer.concat([encodeUtf8(head), payload]), key);
  const bundle = {
    mediaType: bundleMediaType,
    verificationMaterial: { publicKey: { hint: "" }, tlogEntries: [] },
    dsseEnvelope: {
      payload: Buffer.from(payload).toString("base64"),
      payloadType: statementPayloadType,
      signatures: [{ sig: signature.toString("base64"), keyid: "" }],
    },
  };
  return encodeUtf8(JSON.stringify(bundle));
}

/** Signs a claim by key as a sigstore bundle that refers to its manifest. `subject` describes that manifest. */
export async function attachBundle(
  target: Repository,
  key: KeyObject,
  claim: Claim,
  subject: Descriptor,
  signal?: AbortSignal,
): Promise<void> {
  const document = {
    mediaType: mediaTypes.ociManifest,
    artifactType: bundleMediaType,
    config: await putBytes(target, encodeUtf8("{}"), mediaTypes.ociEmpty, signal),
    layers: [await putBytes(target, envelope(key, claim), bundleMediaType, signal)],
    annotations: new Map<string, string>(),
    subject: { mediaType: subject.mediaType, digest: subject.digest, size: subject.size },
  };
  await putDocument(target, document, undefined, signal);
}
