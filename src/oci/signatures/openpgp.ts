// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";

/** The content of a signed message whose signature held, and the key that made it. */
export interface OpenedMessage {
  readonly content: Uint8Array;
  /** Fingerprint of the signing key, hex in upper case. */
  readonly signer: string;
}

async function library() {
  return import("openpgp");
}

type Library = Awaited<ReturnType<typeof library>>;
type PublicKey = Awaited<ReturnType<Library["readKey"]>>;

/** Keys of an OpenPGP keyring, armored or binary (RFC 9580). Throws `KEY_INVALID`. */
export async function readKeyring(bytes: Uint8Array, what: string): Promise<readonly PublicKey[]> {
  const { readKeys } = await library();
  const text = Buffer.from(bytes).toString("latin1");
  try {
    const keys = text.includes("-----BEGIN PGP")
      ? await readKeys({ armoredKeys: text })
      : await readKeys({ binaryKeys: new Uint8Array(bytes) });
    if (keys.length > 0 && keys.every((key) => !key.isPrivate())) return keys;
  } catch (cause) {
    throw new DowelError("KEY_INVALID", `${what}: not a keyring of OpenPGP`, { cause });
  }
  throw new DowelError("KEY_INVALID", `${what}: expected public keys of OpenPGP`);
}

/**
 * Opens a signed OpenPGP message: the content, where one of the keys made one of its signatures and was valid when it did so.
 * Otherwise the reason why not.
 */
export async function openMessage(
  message: Uint8Array,
  keys: readonly PublicKey[],
): Promise<OpenedMessage | { readonly reason: string }> {
  const { readMessage, verify } = await library();
  try {
    const parsed = await readMessage({ binaryMessage: new Uint8Array(message) });
    const { data, signatures } = await verify({ message: parsed, verificationKeys: [...keys], format: "binary" });
    let reason = "it carries no signature";
    for (const { keyID, verified } of signatures) {
      try {
        await verified;
      } catch (error) {
        reason = `key ${keyID.toHex().toUpperCase()}: ${error instanceof Error ? error.message : String(error)}`;
        continue;
      }
      const key = keys.find((candidate) => candidate.getKeys(keyID).length > 0);
      if (key !== undefined) return { content: data, signer: key.getFingerprint().toUpperCase() };
    }
    return { reason };
  } catch (error) {
    return { reason: `not a signed OpenPGP message (${error instanceof Error ? error.message : String(error)})` };
  }
}
