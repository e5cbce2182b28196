// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { DowelError } from "../../base/errors.ts";
import { decompress } from "../compression/decompress.ts";
import type { BlobPart } from "./answer.ts";
import { checkDigest, unpackFrames } from "./frame.ts";
import { tooLarge } from "./invalid.ts";
import type { Piece } from "./plan.ts";

/** The most compressed bytes of one chunk: only content without an end of a chunk in it has longer ones. */
const maxPackedBytes = 64 * 1024 * 1024;
/** Chunks up to this size are unpacked at once. */
const wholeChunkBytes = 16 * 1024 * 1024;

export interface PackedPiece {
  readonly piece: Piece;
  /** The bytes of the blob from the chunk's start to its end. May share memory with the part it came in. */
  readonly packed: Uint8Array;
}

/**
 * Takes pieces, which must be in ascending order, out of the parts of a blob and leaves what lies between them.
 * Throws TRANSFER_INCOMPLETE where the parts do not have them all.
 */
export async function* readPieces(
  pieces: Iterable<Piece>,
  parts: AsyncIterable<BlobPart>,
): AsyncGenerator<PackedPiece, void, undefined> {
  const wanted = pieces[Symbol.iterator]();
  let current = wanted.next();
  let have: Uint8Array[] = [];
  let position = -1;
  for await (const { offset, bytes } of parts) {
    for (let at = 0; at < bytes.length && current.done !== true; ) {
      const { start, end } = current.value.chunk;
      if (end - start > maxPackedBytes) tooLarge("a chunk with packed bytes", end - start, maxPackedBytes);
      if (position < 0) {
        if (start >= offset + bytes.length) break;
        position = start;
      }
      if (position < offset + at) missing(current.value, position);
      at = position - offset;
      const part = bytes.subarray(at, at + end - position);
      have.push(part);
      at += part.length;
      position += part.length;
      if (position < end) break;
      yield { piece: current.value, packed: have.length === 1 ? part : Buffer.concat(have) };
      have = [];
      position = -1;
      current = wanted.next();
    }
    // the owner of the part may write to it again
    if (have.length > 0) have.push(new Uint8Array(have.pop() ?? []));
    if (current.done === true) return;
  }
  if (current.done !== true) missing(current.value, Math.max(position, current.value.chunk.start));
}

function missing({ entry }: Piece, position: number): never {
  const text = `zstd:chunked layer, entry ${JSON.stringify(entry.path)}: byte ${position} of the blob has not come`;
  throw new DowelError("TRANSFER_INCOMPLETE", text);
}

/**
 * Unpacks a chunk. Throws COMPRESSION_INVALID, LIMIT_EXCEEDED or DIGEST_MISMATCH; a chunk that does not come as one
 * array is known to be sound only when the last of it has come.
 */
export async function* unpackPiece({ piece, packed }: PackedPiece): AsyncGenerator<Uint8Array, void, undefined> {
  const { size, digest } = piece.chunk;
  const what = `zstd:chunked layer, entry ${JSON.stringify(piece.entry.path)}`;
  if (size <= wholeChunkBytes) {
    const bytes = unpackFrames(packed, size, what);
    checkDigest(bytes, digest, what);
    yield bytes;
    return;
  }
  const hash = createHash("sha256");
  let have = 0;
  for await (const bytes of decompress(once(packed), "zstd", { maxBytes: size })) {
    hash.update(bytes);
    have += bytes.length;
    yield bytes;
  }
  if (have !== size) throw new DowelError("COMPRESSION_INVALID", `${what}: must unpack to ${size} bytes, not ${have}`);
  if (`sha256:${hash.digest("hex")}` !== digest)
    throw new DowelError("DIGEST_MISMATCH", `${what}: must have ${digest}`);
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
