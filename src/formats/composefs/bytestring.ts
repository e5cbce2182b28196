// SPDX-License-Identifier: Apache-2.0
import { decodeUtf8 } from "../../base/text.ts";

/**
 * Bytes as a JavaScript string with one character (0 to 255) for each byte. The plain order and equality of such
 * strings is that of the bytes, and names that are not UTF-8 survive. An ASCII text is its own byte-string.
 */
export type ByteString = string;

/** The byte-string of the UTF-8 form of an ordinary text. */
export function byteStringOf(text: string): ByteString {
  return /^[\0-\x7f]*$/.test(text) ? text : Buffer.from(text, "utf8").toString("latin1");
}

export function byteStringOfBytes(bytes: Uint8Array): ByteString {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

export function bytesOfByteString(text: ByteString): Uint8Array {
  return new Uint8Array(Buffer.from(text, "latin1"));
}

/** The ordinary text of a byte-string that holds UTF-8; undefined where it does not. */
export function textOfByteString(text: ByteString): string | undefined {
  return decodeUtf8(bytesOfByteString(text));
}
