// SPDX-License-Identifier: Apache-2.0

export type Compression = "none" | "gzip" | "zstd";

/** Tells by the first bytes of a stream (4 are enough) how it is compressed: RFC 1952, RFC 8878. */
export function detectCompression(head: Uint8Array): Compression {
  const [first = -1, second, third, fourth] = head;
  if (first === 0x1f && second === 0x8b) return "gzip";
  if (first === 0x28 && second === 0xb5 && third === 0x2f && fourth === 0xfd) return "zstd";
  if (first >> 4 === 0x5 && second === 0x2a && third === 0x4d && fourth === 0x18) return "zstd";
  return "none";
}
