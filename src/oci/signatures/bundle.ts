// SPDX-License-Identifier: Apache-2.0
import type { KeyObject } from "node:crypto";
import type { Bundle } from "@sigstore/bundle";
import type { TrustMaterial } from "@sigstore/verify";
import { DowelError } from "../../base/errors.ts";

/** What a sigstore bundle is held against; everything is pinned, nothing is asked of a network. */
export type BundleTrust =
  | {
      readonly kind: "keys";
      readonly keys: readonly KeyObject[];
      /** Logs of which one must have seen the signature; none is asked where empty. */
      readonly log: readonly KeyObject[];
    }
  | {
      readonly kind: "keyless";
      /** PEM of the certificate authority: issuing certificates first, root last. */
      readonly authority: Uint8Array;
      readonly log: readonly KeyObject[];
      /** Who vouched for the signer, as the certificate's issuer extension says it. */
      readonly issuer: string;
      /** The signer: mail address or URI in the certificate. */
      readonly subject: string;
    };

const always = { start: new Date(0), end: new Date(8_640_000_000_000_000) };

function escapeForPattern(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

async function authoritiesOf(pem: Uint8Array): Promise<TrustMaterial["certificateAuthorities"]> {
  const { X509Certificate } = await import("@sigstore/core");
  const pattern = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
  const blocks = Buffer.from(pem).toString("latin1").match(pattern) ?? [];
  if (blocks.length === 0) throw new DowelError("KEY_INVALID", "The certificate authority holds no certificate in PEM");
  try {
    return [{ certChain: blocks.map((block) => X509Certificate.parse(block)), validFor: always }];
  } catch (cause) {
    throw new DowelError("KEY_INVALID", "The certificate authority holds a malformed certificate", { cause });
  }
}

async function materialFor(trust: BundleTrust, key: KeyObject | undefined): Promise<TrustMaterial> {
  const { crypto } = await import("@sigstore/core");
  return {
    certificateAuthorities: trust.kind === "keyless" ? await authoritiesOf(trust.authority) : [],
    timestampAuthorities: [],
    tlogs: trust.log.map((publicKey) => {
      const logID = crypto.digest("sha256", publicKey.export({ type: "spki", format: "der" }));
      return { baseURL: "", logID, publicKey, validFor: always };
    }),
    ctlogs: [],
    publicKey: () => {
      if (key === undefined) throw new Error("it was made by a key, and a certificate is expected");
      return { publicKey: key, validFor: () => true };
    },
  };
}

async function verifyWith(
  bundle: Bundle,
  artifact: Uint8Array | undefined,
  trust: BundleTrust,
  key: KeyObject | undefined,
): Promise<string | undefined> {
  const { toSignedEntity, Verifier } = await import("@sigstore/verify");
  const seen = trust.kind === "keyless" || trust.log.length > 0 ? 1 : 0;
  const material = await materialFor(trust, key);
  const options = { ctlogThreshold: 0, tlogThreshold: seen, timestampThreshold: seen };
  const policy =
    trust.kind === "keys"
      ? undefined
      : {
          subjectAlternativeName: new RegExp(`^${escapeForPattern(trust.subject)}$`),
          extensions: { issuer: trust.issuer },
        };
  try {
    const entity = toSignedEntity(bundle, artifact === undefined ? undefined : Buffer.from(artifact));
    // Entries that nobody asked for, by logs that nobody named, say nothing.
    const entries = seen === 0 ? { ...entity, tlogEntries: [], timestamps: [] } : entity;
    if (trust.kind === "keys" && entity.key.$case !== "public-key") return "it was made by a certificate, not by a key";
    new Verifier(material, options).verify(entries, policy);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Parses the JSON of a bundle (versions 0.1 to 0.3). Throws `SIGNATURE_INVALID`. */
export async function parseBundle(bytes: Uint8Array): Promise<Bundle> {
  const { bundleFromJSON } = await import("@sigstore/bundle");
  try {
    return bundleFromJSON(JSON.parse(Buffer.from(bytes).toString("utf8")));
  } catch (cause) {
    throw new DowelError("SIGNATURE_INVALID", "not a sigstore bundle", { cause });
  }
}

/**
 * Verifies a bundle offline; `artifact` is what a message signature signs, a DSSE envelope holds its own. Returns why
 * it does not hold, undefined where it does. Throws `KEY_INVALID` where the trust itself is unusable.
 */
export async function checkBundle(
  bundle: Bundle,
  artifact: Uint8Array | undefined,
  trust: BundleTrust,
): Promise<string | undefined> {
  if (trust.kind === "keyless") return verifyWith(bundle, artifact, trust, undefined);
  let reason: string | undefined = "no key is named";
  for (const key of trust.keys) {
    reason = await verifyWith(bundle, artifact, trust, key);
    if (reason === undefined) return undefined;
  }
  return reason;
}
