// SPDX-License-Identifier: Apache-2.0
import { checkCancelled, DowelError } from "../base/errors.ts";
import { newHash } from "../sys/hash.ts";
import type { Descriptor } from "./descriptor.ts";
import { digestAlgorithm, digestOf, finishDigest } from "./digest.ts";

export type ByteStream = AsyncIterable<Uint8Array>;

/**
 * Passes bytes on and checks their size and digest. A consumer may use the bytes as soon as they come, but must not
 * trust them before the stream has ended: `DIGEST_MISMATCH` and `TRANSFER_INCOMPLETE` come at the end at the latest.
 */
export async function* verified(
  chunks: ByteStream,
  descriptor: Pick<Descriptor, "digest" | "size">,
  what: string,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const algorithm = digestAlgorithm(descriptor.digest);
  const hash = newHash(algorithm);
  for await (const chunk of sized(chunks, descriptor.size, what)) {
    checkCancelled(signal);
    hash.update(chunk);
    yield chunk;
  }
  const found = finishDigest(hash, algorithm);
  if (found !== descriptor.digest) throw mismatch(what, descriptor.digest, found);
}

/** Passes bytes on and checks that there are exactly `size` of them. */
export async function* sized(chunks: ByteStream, size: number, what: string): AsyncGenerator<Uint8Array, void> {
  let done = 0;
  for await (const chunk of chunks) {
    done += chunk.byteLength;
    if (done > size) throw new DowelError("DIGEST_MISMATCH", `${what}: more than the ${size} bytes it should have`);
    yield chunk;
  }
  if (done < size) throw new DowelError("TRANSFER_INCOMPLETE", `${what}: ended after ${done} of ${size} bytes`);
}

/** Checks bytes that are all in memory. */
export function verifyBytes(
  bytes: Uint8Array,
  descriptor: Pick<Descriptor, "digest" | "size">,
  what: string,
): Uint8Array {
  if (bytes.byteLength < descriptor.size) {
    throw new DowelError("TRANSFER_INCOMPLETE", `${what}: ${bytes.byteLength} of ${descriptor.size} bytes`);
  }
  const found = digestOf(bytes, digestAlgorithm(descriptor.digest));
  if (bytes.byteLength > descriptor.size || found !== descriptor.digest) {
    throw mismatch(what, descriptor.digest, found);
  }
  return bytes;
}

/** Gathers a stream in memory; more than `limit` bytes are `LIMIT_EXCEEDED`. */
export async function collect(chunks: ByteStream, limit: number, what: string): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.byteLength;
    if (size > limit) throw new DowelError("LIMIT_EXCEEDED", `${what}: more than the ${limit} bytes allowed`);
    parts.push(chunk);
  }
  return Buffer.concat(parts, size);
}

function mismatch(what: string, wanted: string, found: string): DowelError {
  return new DowelError("DIGEST_MISMATCH", `${what}: digest is ${found}, expected ${wanted}`);
}
