// SPDX-License-Identifier: Apache-2.0

/** A signature of cosign's classic format, as it hangs on the tag `sha256-HEX.sig`. Nothing in it is trusted yet. */
export interface ClassicSignature {
  /** The layer: a claim. */
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
  /** PEM of the signer's certificate and of what it was issued by; for keyless ones. */
  readonly certificate: string | undefined;
  readonly chain: string | undefined;
  /** JSON of the log's promise, annotation `dev.sigstore.cosign/bundle`. */
  readonly logEntry: string | undefined;
}

/** All signatures that were found for one manifest. */
export interface FoundSignatures {
  /** OpenPGP messages from a lookaside (containers-signature(5)). */
  readonly simple: readonly Uint8Array[];
  readonly classic: readonly ClassicSignature[];
  /** Sigstore bundles, JSON, from referrers. */
  readonly bundles: readonly Uint8Array[];
}

/** Why one signature does not count. */
export interface Objection {
  /** The signature: its kind and number, from 1. */
  readonly signature: string;
  readonly reason: string;
}
