// SPDX-License-Identifier: Apache-2.0
import { hash } from "node:crypto";
import { zstdDecompressSync } from "node:zlib";
import { DowelError } from "../../base/errors.ts";
import { ZstdFrames } from "../compression/zstd-frames.ts";

/**
 * Unpacks zstd frames that are wholly in memory to exactly `size` bytes. `what` names them in messages.
 * Throws COMPRESSION_INVALID for damage or another size, LIMIT_EXCEEDED for a window that is too large.
 */
export function unpackFrames(packed: Uint8Array, size: number, what: string): Uint8Array {
  const bytes = unpackAtMost(packed, size, what);
  if (bytes.length !== size) {
    throw new DowelError("COMPRESSION_INVALID", `${what}: must unpack to ${size} bytes, not ${bytes.length}`);
  }
  return bytes;
}

/** As `unpackFrames`, to `most` bytes or fewer. */
export function unpackAtMost(packed: Uint8Array, most: number, what: string): Uint8Array {
  const frames = new ZstdFrames();
  frames.push(packed);
  frames.finish();
  try {
    return zstdDecompressSync(packed, { maxOutputLength: Math.max(most, 1) });
  } catch (cause) {
    throw new DowelError("COMPRESSION_INVALID", `${what}: must be zstd data of ${most} bytes`, { cause });
  }
}

/** Throws DIGEST_MISMATCH where content does not have the digest `sha256:HEX`. */
export function checkDigest(bytes: Uint8Array, digest: string, what: string): void {
  const actual = `sha256:${hash("sha256", bytes, "hex")}`;
  if (actual !== digest)
    throw new DowelError("DIGEST_MISMATCH", `${what}: must have the digest ${digest}, not ${actual}`);
}
