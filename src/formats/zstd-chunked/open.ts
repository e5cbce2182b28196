// SPDX-License-Identifier: Apache-2.0
import { decompress } from "../compression/decompress.ts";
import type { ChunkedPlaces } from "./annotations.ts";
import { checkDigest, unpackFrames } from "./frame.ts";
import { invalid } from "./invalid.ts";
import { parseTarSplit, type TarSplitEntry } from "./tarsplit.ts";
import type { Toc } from "./toc.ts";
import { parseToc, type TocVisitor, visitToc } from "./toc-parse.ts";

/**
 * Reads the table of contents of a layer from the bytes that its annotations name. Throws DIGEST_MISMATCH where they
 * are not what the manifest vouches for, COMPRESSION_INVALID, ZSTD_CHUNKED_INVALID, LIMIT_EXCEEDED. `isVouched`: what the
 * table makes is compared later, so that it does not matter whether it could be read in another way, too.
 */
export function openToc(packed: Uint8Array, places: ChunkedPlaces, isVouched = false): Toc {
  return parseToc(unpackToc(packed, places), places.payloadEnd, isVouched);
}

/** As `openToc`, for a visitor. */
export function visitPackedToc(packed: Uint8Array, places: ChunkedPlaces, visitor: TocVisitor): void {
  visitToc(unpackToc(packed, places), places.payloadEnd, visitor);
}

function unpackToc(packed: Uint8Array, places: ChunkedPlaces): Uint8Array {
  const what = "zstd:chunked layer, table of contents";
  checkDigest(packed, places.tocDigest, what);
  return unpackFrames(packed, places.toc.unpackedSize, what);
}

/**
 * Reads the tar-split data of a layer from the bytes that its annotations name; the table of contents vouches for
 * them. Throws DIGEST_MISMATCH, COMPRESSION_INVALID, ZSTD_CHUNKED_INVALID, LIMIT_EXCEEDED.
 */
export async function* openTarSplit(
  packed: Uint8Array,
  places: ChunkedPlaces,
  toc: Toc,
): AsyncGenerator<TarSplitEntry, void, undefined> {
  const what = "zstd:chunked layer, tar-split data";
  if (places.tarSplit === undefined || toc.tarSplitDigest === undefined) invalid("tar-split data", "there is none");
  checkDigest(packed, toc.tarSplitDigest, what);
  yield* parseTarSplit(decompress(once(packed), "zstd", { maxBytes: places.tarSplit.unpackedSize }));
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
