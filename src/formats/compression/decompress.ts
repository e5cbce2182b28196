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
  /** Where to put what comes out; a chunk is then done with when the next is asked for. */
  readonly memory?: Memory | undefined;
}

/** Memory of somebody else, to be filled in order. */
export interface Memory {
  /** Room for the next bytes, at least one. */
  room(): Promise<Uint8Array>;
  /** Says that so many bytes of the room have been filled, perhaps not the last ones. */
  filled(length: number): void;
}

/** Stays in the cache of a processor. */
const ownBytes = 256 * 1024;
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
  const { memory } = options;
  let size = 0;
  for await (const chunk of compression === "none" ? copied(all, memory) : unpack(all, compression, input, memory)) {
    size += chunk.length;
    if (size > most) {
      throw new DowelError("LIMIT_EXCEEDED", `${compression} data: more than ${most} bytes unpacked`);
    }
    if (compression !== "none" && size > Math.max(limits.expansionFloorBytes, input.size * limits.expansionRatio)) {
      const text = `${input.size} bytes of ${compression} data unpack to more than ${size} bytes`;
      throw new DowelError("LIMIT_EXCEEDED", `${text}; at most ${limits.expansionRatio} times as many are allowed`);
    }
    yield chunk;
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
  memory: Memory | undefined,
): AsyncGenerator<Uint8Array> {
  let offset = 0;
  const at = (start: number): void => {
    offset = start;
  };
  try {
    if (compression === "gzip") yield* copied(unpackGzip(pieces, at), memory);
    else if (memory !== undefined) yield* unpackZstd(pieces, at, memory);
    else for await (const chunk of unpackZstd(pieces, at, new OwnMemory())) yield new Uint8Array(chunk);
  } catch (error) {
    if (!isZlibError(error)) throw error;
    const place = error.code === "Z_BUF_ERROR" ? `ends too early, after ${input.size} bytes` : "is damaged";
    const text = `${compression} data ${place}, in the block from offset ${offset}`;
    throw new DowelError("COMPRESSION_INVALID", text, { cause: error });
  }
}

type At = (offset: number) => void;

class OwnMemory implements Memory {
  readonly #buffer = Buffer.allocUnsafeSlow(ownBytes);

  async room(): Promise<Uint8Array> {
    return this.#buffer;
  }

  filled(): void {}
}

/** What comes out comes in pieces as large as the room for them; what came before an error comes before it, too. */
async function* unpackZstd(pieces: AsyncGenerator<Uint8Array>, at: At, memory: Memory): AsyncGenerator<Uint8Array> {
  using unpacker = new ZstdUnpacker();
  let room = await memory.room();
  let used = 0;
  try {
    for await (const piece of watch(pieces, new ZstdFrames(), at)) {
      unpacker.give(piece);
      for (;;) {
        const length = unpacker.unpack(room.subarray(used));
        memory.filled(length);
        used += length;
        if (used < room.length) break;
        yield room;
        used = 0;
        room = await memory.room();
      }
    }
  } catch (error) {
    if (used > 0) yield room.subarray(0, used);
    throw error;
  }
  if (used > 0) yield room.subarray(0, used);
}

/** The same bytes in the given memory, if any. */
async function* copied(chunks: AsyncIterable<Uint8Array>, memory: Memory | undefined): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    if (memory === undefined) yield chunk;
    else {
      for (let at = 0; at < chunk.length; ) {
        const room = await memory.room();
        const part = chunk.subarray(at, at + room.length);
        room.set(part);
        memory.filled(part.length);
        yield room.subarray(0, part.length);
        at += part.length;
      }
    }
  }
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
