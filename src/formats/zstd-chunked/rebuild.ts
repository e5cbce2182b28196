// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { Crc64 } from "./crc64.ts";
import { invalid } from "./invalid.ts";
import type { TarSplitEntry } from "./tarsplit.ts";

/** Gives the body of a file that is not empty, by the path that its header has. */
export type OpenBody = (path: string, size: number) => AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/**
 * Puts an archive together again, byte for byte, from its tar-split data and the bodies of its files: its digest must
 * then be the diff id of the layer. Throws DIGEST_MISMATCH where a body is not the one that was split off.
 */
export async function* rebuildTar(
  entries: AsyncIterable<TarSplitEntry>,
  open: OpenBody,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const entry of entries) {
    if (entry.kind === "bytes") yield entry.bytes;
    else if (entry.size > 0) yield* body(entry, open);
  }
}

async function* body(
  { path, size, crc }: Extract<TarSplitEntry, { kind: "body" }>,
  open: OpenBody,
): AsyncGenerator<Uint8Array> {
  const sum = new Crc64();
  let have = 0;
  for await (const chunk of open(path, size)) {
    have += chunk.length;
    if (have > size) break;
    sum.update(chunk);
    yield chunk;
  }
  if (have !== size) invalid(`entry ${JSON.stringify(path)}`, `the body must have ${size} bytes`);
  if (crc === undefined || Buffer.compare(sum.digest(), crc) !== 0) {
    throw new DowelError(
      "DIGEST_MISMATCH",
      `zstd:chunked layer, entry ${JSON.stringify(path)}: not the body of the archive`,
    );
  }
}
