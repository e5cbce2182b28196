// SPDX-License-Identifier: Apache-2.0
import { hash } from "node:crypto";
import { DowelError } from "../../base/errors.ts";
import { ZstdUnpacker } from "../../sys/zstd.ts";
import { ZstdFrames } from "../compression/zstd-frames.ts";

/** More is seldom unpacked than to this size, and an unpacker that did so has much memory of its own. */
const smallBytes = 1024 * 1024;
/** Used again, as each one costs more than to unpack a small chunk. */
let spare: ZstdUnpacker | undefined;

/**
 * Unpacks zstd frames that are wholly in memory to exactly `size` bytes. `what` names them in messages, `dictionary` is what
 * they refer to. Throws COMPRESSION_INVALID for damage or another size, LIMIT_EXCEEDED for a window that is too large.
 */
export function unpackFrames(packed: Uint8Array, size: number, what: string, dictionary?: Uint8Array): Uint8Array {
  const bytes = unpackInto(packed, size, 64, what, dictionary);
  if (bytes.length !== size) {
    throw new DowelError("COMPRESSION_INVALID", `${what}: must unpack to ${size} bytes, not ${bytes.length}`);
  }
  return bytes;
}

/** As `unpackFrames`, to `most` bytes or fewer. */
export function unpackAtMost(packed: Uint8Array, most: number, what: string): Uint8Array {
  return unpackInto(packed, most, 8, what);
}

/** `ratio`: how many bytes there is room for at first, for each packed one. */
function unpackInto(packed: Uint8Array, most: number, ratio: number, what: string, dictionary?: Uint8Array): Buffer {
  const frames = new ZstdFrames();
  frames.push(packed);
  frames.finish();
  const unpacker = dictionary === undefined ? (spare ?? new ZstdUnpacker()) : new ZstdUnpacker(dictionary);
  spare = undefined;
  let isSpare = false;
  try {
    unpacker.give(packed);
    const likely = Math.min(most, Math.max(ratio * packed.length, smallBytes));
    const bytes = fill(unpacker, Buffer.allocUnsafeSlow(likely), most);
    isSpare = dictionary === undefined && bytes !== undefined && bytes.length <= smallBytes;
    if (bytes !== undefined) return bytes;
  } catch (cause) {
    throw new DowelError("COMPRESSION_INVALID", `${what}: must be zstd data of ${most} bytes`, { cause });
  } finally {
    if (isSpare) spare = unpacker;
    else unpacker[Symbol.dispose]();
  }
  throw new DowelError("COMPRESSION_INVALID", `${what}: must be zstd data of ${most} bytes`);
}

/** What comes out, in `memory` where that is large enough; undefined where it is more than `most` bytes. */
function fill(unpacker: ZstdUnpacker, memory: Buffer, most: number): Buffer | undefined {
  const beyond = new Uint8Array(1);
  let bytes = memory;
  let size = 0;
  for (;;) {
    size += size < bytes.length ? unpacker.unpack(bytes.subarray(size)) : 0;
    if (size < bytes.length || unpacker.unpack(beyond) === 0) return bytes.subarray(0, size);
    if (size >= most) return undefined;
    // what is never written to takes no memory, so this costs less than to grow in steps
    const larger = Buffer.allocUnsafeSlow(most);
    larger.set(bytes);
    larger.set(beyond, size++);
    bytes = larger;
  }
}

/** Throws DIGEST_MISMATCH where content does not have the digest `sha256:HEX`. */
export function checkDigest(bytes: Uint8Array, digest: string, what: string): void {
  const actual = `sha256:${hash("sha256", bytes, "hex")}`;
  if (actual !== digest)
    throw new DowelError("DIGEST_MISMATCH", `${what}: must have the digest ${digest}, not ${actual}`);
}
