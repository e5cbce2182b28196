// SPDX-License-Identifier: Apache-2.0
import { constants, createGzip, createZstdCompress } from "node:zlib";
import { checkCancelled } from "../../base/errors.ts";
import { pump, regroup } from "./pump.ts";

const chunkBytes = 1024 * 1024;

/**
 * Packs a stream as one gzip member (no name, time 0) or one zstd frame (with a checksum). The same bytes and level
 * give the same result, however the stream is cut into chunks: the engine always sees chunks of one size.
 * Levels are 0 to 9 for gzip and 1 to 22 for zstd.
 */
export async function* compress(
  stream: AsyncIterable<Uint8Array>,
  kind: "gzip" | "zstd",
  level: number,
  options: { readonly signal?: AbortSignal | undefined } = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const engine = kind === "gzip" ? createGzip({ level, chunkSize: chunkBytes }) : zstdEngine(level);
  yield* pump(regroup(cancellable(stream, options.signal), chunkBytes), engine, () => {
    throw new Error(`The ${kind} engine stopped before the end of its input`);
  });
}

function zstdEngine(level: number): ReturnType<typeof createZstdCompress> {
  const params = { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 1 };
  return createZstdCompress({ chunkSize: chunkBytes, params });
}

async function* cancellable(
  stream: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of stream) {
    checkCancelled(signal);
    yield chunk;
  }
}
