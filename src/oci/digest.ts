// SPDX-License-Identifier: Apache-2.0
import type { Hash } from "node:crypto";
import { DowelError } from "../base/errors.ts";
import { newHash } from "../sys/hash.ts";

declare const digestBrand: unique symbol;

/** `sha256:` and 64 lower-case hex digits, or `sha512:` and 128 of them. */
export type Digest = string & { readonly [digestBrand]: true };

export type DigestAlgorithm = "sha256" | "sha512";

const pattern = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;

export function isDigest(text: string): text is Digest {
  return pattern.test(text);
}

/** Checks a digest as the OCI image specification writes it; `DIGEST_INVALID` names `what`. */
export function parseDigest(text: string, what = "digest"): Digest {
  if (isDigest(text)) return text;
  const shown = text.length > 160 ? `${text.slice(0, 160)}…` : text;
  throw new DowelError("DIGEST_INVALID", `${what}: "${shown}" must be sha256:HEX or sha512:HEX in lower case`);
}

export function digestAlgorithm(digest: Digest): DigestAlgorithm {
  return digest.startsWith("sha256:") ? "sha256" : "sha512";
}

export function digestHex(digest: Digest): string {
  return digest.slice(digest.indexOf(":") + 1);
}

export function digestOf(bytes: Uint8Array, algorithm: DigestAlgorithm = "sha256"): Digest {
  return finishDigest(newHash(algorithm).update(bytes), algorithm);
}

export function finishDigest(hash: Hash, algorithm: DigestAlgorithm): Digest {
  return `${algorithm}:${hash.digest("hex")}` as Digest;
}
