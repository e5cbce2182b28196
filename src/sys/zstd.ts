// SPDX-License-Identifier: Apache-2.0
import { createZstdDecompress } from "node:zlib";

/**
 * Packs bytes as one zstd frame that states their size and has no checksum. The same bytes and level give the same
 * frame. Small contents cost several times less than with node:zlib, which makes an engine for each.
 */
export function packZstd(bytes: Uint8Array, level: number): Uint8Array {
  return Bun.zstdCompressSync(bytes, { level });
}

/** The frame that `packZstd` gives, made by another thread. Nobody may write to the bytes meanwhile. */
export function packZstdAside(bytes: Uint8Array, level: number): Promise<Uint8Array> {
  return Bun.zstdCompress(bytes, { level });
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

const outputBytes = 256 * 1024;

/**
 * Unpacks zstd frames in this thread, into one buffer that stays in the processor's cache: a stream of node:zlib takes
 * half as much processor time again, most of it for memory that is new each time. Does not tell whether the last frame
 * is whole.
 */
export class ZstdUnpacker implements Disposable {
  readonly #engine = createZstdDecompress() as unknown as Engine;
  readonly #output = Buffer.allocUnsafeSlow(outputBytes);
  #failure: Error | undefined;

  constructor() {
    this.#engine._handle.onerror = (message, errno, code) => {
      this.#failure = Object.assign(new Error(message), { errno, code });
    };
  }

  /** What comes out of the next bytes; each piece is there until the next is asked for. Throws with the `code` of zstd. */
  *unpack(input: Uint8Array): Generator<Uint8Array, void, undefined> {
    const { _handle: handle, _writeState: state } = this.#engine;
    for (let at = 0; ; ) {
      handle.writeSync(0, input, at, input.length - at, this.#output, 0, outputBytes);
      if (this.#failure !== undefined) throw this.#failure;
      const [room = 0, left = 0] = state;
      at = input.length - left;
      if (room < outputBytes) yield this.#output.subarray(0, outputBytes - room);
      if (room > 0 && left === 0) return;
    }
  }

  [Symbol.dispose](): void {
    this.#engine.destroy();
  }
}
