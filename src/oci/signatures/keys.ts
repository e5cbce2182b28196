// SPDX-License-Identifier: Apache-2.0
import { constants, createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { DowelError } from "../../base/errors.ts";

const kinds = "ECDSA, Ed25519 or RSA of at least 2048 bits";
const smallestRsaBits = 2048;

function check(key: KeyObject, what: string): KeyObject {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  const isLargeRsa = type === "rsa" && (details?.modulusLength ?? 0) >= smallestRsaBits;
  if (type === "ec" || type === "ed25519" || isLargeRsa) return key;
  throw new DowelError("KEY_INVALID", `${what}: a key of kind ${type ?? "unknown"}, expected ${kinds}`);
}

/** Reads a public key in PEM (SubjectPublicKeyInfo, RFC 7468). Throws `KEY_INVALID`. */
export function readPublicKey(pem: Uint8Array, what: string): KeyObject {
  const text = Buffer.from(pem).toString("latin1");
  if (!text.includes("-----BEGIN PUBLIC KEY-----")) {
    throw new DowelError("KEY_INVALID", `${what}: expected a public key in PEM, BEGIN PUBLIC KEY`);
  }
  try {
    return check(createPublicKey(text), what);
  } catch (cause) {
    if (cause instanceof DowelError) throw cause;
    throw new DowelError("KEY_INVALID", `${what}: not a readable public key`, { cause });
  }
}

/** Reads a private key in PEM (PKCS #8, RFC 5958), with a passphrase where it is encrypted. Throws `KEY_INVALID`. */
export function readPrivateKey(pem: Uint8Array, passphrase: string | undefined, what: string): KeyObject {
  const text = Buffer.from(pem).toString("latin1");
  if (/BEGIN ENCRYPTED (?:COSIGN|SIGSTORE) PRIVATE KEY/.test(text)) {
    throw new DowelError("KEY_INVALID", `${what}: a private key in cosign's own encryption`, {
      hint: "Make a key that all tools read: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -aes256.",
    });
  }
  try {
    return check(
      createPrivateKey({ key: text, format: "pem", ...(passphrase === undefined ? {} : { passphrase }) }),
      what,
    );
  } catch (cause) {
    if (cause instanceof DowelError) throw cause;
    const hint = text.includes("ENCRYPTED") ? "Give its passphrase in DOWEL_SIGN_PASSPHRASE." : undefined;
    throw new DowelError("KEY_INVALID", `${what}: not a readable private key`, {
      cause,
      ...(hint === undefined ? {} : { hint }),
    });
  }
}

/** The hash that goes with a key: by the curve's size for ECDSA, SHA-256 for RSA, none for Ed25519, as cosign has it. */
function hashFor(key: KeyObject): string | null {
  if (key.asymmetricKeyType === "ed25519") return null;
  const curve = key.asymmetricKeyDetails?.namedCurve;
  if (curve === "secp384r1") return "sha384";
  return curve === "secp521r1" ? "sha512" : "sha256";
}

/** ECDSA signatures are DER (RFC 3279); RSA uses PKCS #1 version 1.5 (RFC 8017). */
function inputFor(key: KeyObject) {
  return { key, dsaEncoding: "der", padding: constants.RSA_PKCS1_PADDING } as const;
}

export function signatureHolds(key: KeyObject, payload: Uint8Array, signature: Uint8Array): boolean {
  try {
    return verify(hashFor(key), payload, inputFor(key), signature);
  } catch {
    return false;
  }
}

export function signPayload(key: KeyObject, payload: Uint8Array): Uint8Array {
  return sign(hashFor(key), payload, inputFor(key));
}

/** A name of a public key for messages: `SHA256:` and the base64 digest of its SubjectPublicKeyInfo. */
export function fingerprint(key: KeyObject): string {
  const publicKey = key.type === "private" ? createPublicKey(key) : key;
  const der = publicKey.export({ type: "spki", format: "der" });
  return `SHA256:${createHash("sha256").update(der).digest("base64").replace(/=+$/, "")}`;
}
