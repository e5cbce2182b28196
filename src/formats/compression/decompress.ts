// SPDX-License-Identifier: Apache-2.0
import { createGunzip } from "node:zlib";
import { checkCancelled, DowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { ZstdUnpacker } from "../../sys/zstd.ts";
import { type Compression, detectCompression } from "./kind.ts";
import { ahead, pump, regroup } from "./pump.ts";
import { ZstdFrames } from "./zstd-frames.ts";

interface DecompressOptions {
  /** Most bytes that may come out; `limits.layerBytes` if not given. */
  readonly maxBytes?: number;
  readonly signal?: AbortSignal | undefined;
  /** Whether a chunk is done with when the next is asked for, so that its memory may be used again. */
  readonly lend?: boolean;
}

/** Large pieces: each costs a turn through the thread pool. */
const inputBytes = 1024 * 1024;
const outputBytes = 1024 * 1024;
/** What may wait for its reader: the thread pool unpacks so much while this thread does something else. */
const waitingBytes = 4 * outputBytes;

/**
 * Unpacks a stream with bounded memory; `auto` tells by the first bytes. All members of a gzip stream and all frames
 * of a zstd stream are read, skippable frames passed over. Throws COMPRESSION_INVALID for damage, an early end or
 * data after the end, and LIMIT_EXCEEDED past `maxBytes` or for a bomb (`limits.expansionRatio`). What came out before
 * an error has been seen by then: nobody may act on it until the stream has ended well.
 */
export async function* decompress(
  stream: AsyncIterable<Uint8Array>,
  kind: Compression | "auto",
  options: DecompressOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const most = options.maxBytes ?? limits.layerBytes;
  const input = new Input(stream, options.signal);
  const { head, all } = await peek(input.chunks());
  const compression = kind === "auto" ? detectCompression(head) : kind;
  let size = 0;
  for await (const chunk of compression === "none" ? all : unpack(all, compression, input)) {
    size += chunk.length;
    if (size > most) {
      throw new DowelError("LIMIT_EXCEEDED", `${compression} data: more than ${most} bytes unpacked`);
    }
    if (compression !== "none" && size > Math.max(limits.expansionFloorBytes, input.size * limits.expansionRatio)) {
      const text = `${input.size} bytes of ${compression} data unpack to more than ${size} bytes`;
      throw new DowelError("LIMIT_EXCEEDED", `${text}; at most ${limits.expansionRatio} times as many are allowed`);
    }
    yield compression !== "zstd" || options.lend ? chunk : new Uint8Array(chunk);
  }
}

/** Counts what has been taken from the stream. */
class Input {
  size = 0;
  readonly #stream: AsyncIterable<Uint8Array>;
  readonly #signal: AbortSignal | undefined;

  constructor(stream: AsyncIterable<Uint8Array>, signal: AbortSignal | undefined) {
    this.#stream = stream;
    this.#signal = signal;
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    for await (const chunk of this.#stream) {
      checkCancelled(this.#signal);
      this.size += chunk.length;
      yield chunk;
    }
    checkCancelled(this.#signal);
  }
}

const headBytes = 4;

/** The first bytes of a stream, and the whole stream with them. */
async function peek(
  pieces: AsyncGenerator<Uint8Array>,
): Promise<{ head: Uint8Array; all: AsyncGenerator<Uint8Array> }> {
  let head: Uint8Array = new Uint8Array(0);
  while (head.length < headBytes) {
    const next = await pieces.next();
    if (next.done === true) break;
    head = head.length === 0 ? next.value : Buffer.concat([head, next.value]);
  }
  async function* all(): AsyncGenerator<Uint8Array> {
    try {
      if (head.length > 0) yield head;
      yield* pieces;
    } finally {
      await pieces.return(undefined);
    }
  }
  return { head, all: all() };
}

async function* unpack(
  pieces: AsyncGenerator<Uint8Array>,
  compression: "gzip" | "zstd",
  input: Input,
): AsyncGenerator<Uint8Array> {
  let offset = 0;
  const at = (start: number): void => {
    offset = start;
  };
  try {
    if (compression === "zstd") yield* unpackZstd(pieces, at);
    else yield* unpackGzip(pieces, at);
  } catch (error) {
    if (!isZlibError(error)) throw error;
    const place = error.code === "Z_BUF_ERROR" ? `ends too early, after ${input.size} bytes` : "is damaged";
    const text = `${compression} data ${place}, in the block from offset ${offset}`;
    throw new DowelError("COMPRESSION_INVALID", text, { cause: error });
  }
}

type At = (offset: number) => void;

async function* unpackZstd(pieces: AsyncGenerator<Uint8Array>, at: At): AsyncGenerator<Uint8Array> {
  using unpacker = new ZstdUnpacker();
  for await (const piece of watch(pieces, new ZstdFrames(), at)) yield* unpacker.unpack(piece);
}

async function* unpackGzip(pieces: AsyncGenerator<Uint8Array>, at: At): AsyncGenerator<Uint8Array> {
  const options = { chunkSize: outputBytes, readableHighWaterMark: waitingBytes };
  const engine = createGunzip(options);
  let offset = 0;
  const watched = watch(ahead(regroup(pieces, inputBytes)), undefined, (start) => {
    offset = start;
    at(start);
  });
  yield* pump(watched, engine, () => {
    throw new DowelError("COMPRESSION_INVALID", `gzip data, from offset ${offset}: data after the end`);
  });
}

async function* watch(
  pieces: AsyncIterable<Uint8Array>,
  frames: ZstdFrames | undefined,
  at: At,
): AsyncGenerator<Uint8Array> {
  let offset = 0;
  for await (const piece of pieces) {
    at(offset);
    frames?.push(piece);
    yield piece;
    offset += piece.length;
  }
  frames?.finish();
}

function isZlibError(error: unknown): error is Error & { readonly code: string } {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") return false;
  return /^(Z_|ZSTD_)/.test(error.code);
}
