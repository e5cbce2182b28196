// SPDX-License-Identifier: Apache-2.0
import { constants, createZstdCompress, createZstdDecompress } from "node:zlib";

/**
 * Packs bytes as one zstd frame that states their size and has no checksum. The same bytes and level give the same
 * frame. Small contents cost several times less than with node:zlib, which makes an engine for each.
 */
export function packZstd(bytes: Uint8Array, level: number): Uint8Array {
  return Bun.zstdCompressSync(bytes, { level });
}

/** What a stream of node:zlib works with: calls that are done when they return, with memory of the caller. */
interface Engine {
  readonly _handle: {
    writeSync(
      flush: number,
      input: Uint8Array,
      inputAt: number,
      inputLeft: number,
      output: Uint8Array,
      outputAt: number,
      outputLeft: number,
    ): void;
    onerror: (message: string, errno: number, code: string) => void;
  };
  /** What a call left: room in the output, bytes of the input. */
  readonly _writeState: Uint32Array;
  destroy(): void;
}

/** The most bytes that a frame of so many bytes can have (`ZSTD_COMPRESSBOUND` of zstd.h, and something for its header). */
export function packedBound(size: number): number {
  return size + (size >> 8) + 1024;
}

/** Gives the frames that `packZstd` gives, with one engine for all of them, which costs a quarter less. */
export class ZstdPacker implements Disposable {
  readonly #engine: Engine;
  #failure: Error | undefined;

  constructor(level: number) {
    this.#engine = createZstdCompress({
      params: { [constants.ZSTD_c_compressionLevel]: level },
    }) as unknown as Engine;
    this.#engine._handle.onerror = (message, errno, code) => {
      this.#failure = Object.assign(new Error(message), { errno, code });
    };
  }

  /** Packs bytes as one frame into memory that has room for `packedBound` of them; answers how many bytes it has. */
  pack(bytes: Uint8Array, output: Uint8Array): number {
    const { _handle: handle, _writeState: state } = this.#engine;
    // with all bytes at once, and room for what they may become, zstd states their size and keeps no copies
    handle.writeSync(constants.ZSTD_e_end, bytes, 0, bytes.length, output, 0, output.length);
    if (this.#failure !== undefined) throw this.#failure;
    const [room = 0, left = 0] = state;
    if (left > 0 || room === 0) throw new Error(`${output.length} bytes are no room for a frame of ${bytes.length}`);
    return output.length - room;
  }

  [Symbol.dispose](): void {
    this.#engine.destroy();
  }
}

/**
 * Unpacks zstd frames in this thread, into memory of the caller: a stream of node:zlib takes half as much processor time
 * again, most of it for memory that is new each time. Does not tell whether the last frame is whole.
 */
export class ZstdUnpacker implements Disposable {
  readonly #engine: Engine;
  #input: Uint8Array = new Uint8Array(0);
  #at = 0;
  #failure: Error | undefined;

  /** `dictionary`: what all frames refer to. */
  constructor(dictionary?: Uint8Array) {
    // the stream's own memory is never used
    const options = dictionary === undefined ? { chunkSize: 64 } : { chunkSize: 64, dictionary };
    this.#engine = createZstdDecompress(options) as unknown as Engine;
    this.#engine._handle.onerror = (message, errno, code) => {
      this.#failure = Object.assign(new Error(message), { errno, code });
    };
  }

  /** Takes the next packed bytes, which stay the caller's. Those before must have been used up. */
  give(input: Uint8Array): void {
    this.#input = input;
    this.#at = 0;
  }

  /**
   * Unpacks to the end of `output`, or all that was given: then it answers fewer bytes than there is room for. Throws with
   * the `code` of zstd.
   */
  unpack(output: Uint8Array): number {
    const { _handle: handle, _writeState: state } = this.#engine;
    handle.writeSync(0, this.#input, this.#at, this.#input.length - this.#at, output, 0, output.length);
    if (this.#failure !== undefined) throw this.#failure;
    const [room = 0, left = 0] = state;
    this.#at = this.#input.length - left;
    return output.length - room;
  }

  [Symbol.dispose](): void {
    this.#engine.destroy();
  }
}
