// SPDX-License-Identifier: Apache-2.0
import { packedBound, ZstdPacker } from "../../sys/zstd.ts";
import { type Batch, type Packed, pieceFlag, zerosOf } from "./batch.ts";

/** Frames of most batches need less. */
const usualRoom = 1024 * 1024 + packedBound(256 * 1024);

/** Packs the frames of an archive. Takes its batches in order. */
export class Packer implements Disposable {
  readonly #engine: ZstdPacker;
  /** Where the frames of the current batch come to be. */
  #room: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #used = 0;
  /** Parts of the open frame that do not lie in the current buffer, or not beside each other. */
  #held: Uint8Array[] = [];
  #heldSize = 0;

  constructor(level: number) {
    this.#engine = new ZstdPacker(level);
  }

  run({ buffer, pieces, room = new ArrayBuffer(usualRoom) }: Batch): Packed {
    this.#room = new Uint8Array(room);
    this.#used = 0;
    const sizes: number[] = [];
    let at = 0;
    // what the open frame has in the buffer
    let start = 0;
    for (let piece = 0; piece < pieces.length; piece += 2) {
      const length = pieces[piece] ?? 0;
      const flags = pieces[piece + 1] ?? 0;
      if ((flags & pieceFlag.zeros) === 0) at += length;
      else {
        this.#hold(new Uint8Array(buffer.slice(start, at)));
        start = at;
        for (const part of zerosOf(length)) this.#hold(part);
      }
      if ((flags & pieceFlag.frameEnd) === 0) continue;
      this.#packFrame(new Uint8Array(buffer, start, at - start), sizes);
      start = at;
    }
    if (start < at) this.#hold(new Uint8Array(buffer.slice(start, at)));
    return { buffer, room: this.#room.buffer, sizes };
  }

  /** The bytes must stay as they are until the frame ends. */
  #hold(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#held.push(bytes);
    this.#heldSize += bytes.length;
  }

  #packFrame(rest: Uint8Array, sizes: number[]): void {
    let bytes = rest;
    if (this.#heldSize > 0) {
      this.#hold(rest);
      bytes = Buffer.concat(this.#held, this.#heldSize);
      this.#held = [];
      this.#heldSize = 0;
    }
    this.#reserve(packedBound(bytes.length));
    const size = this.#engine.pack(bytes, this.#room.subarray(this.#used));
    this.#used += size;
    sizes.push(size);
  }

  #reserve(size: number): void {
    if (this.#room.length - this.#used >= size) return;
    const larger = new Uint8Array(this.#used + size);
    larger.set(this.#room.subarray(0, this.#used));
    this.#room = larger;
  }

  [Symbol.dispose](): void {
    this.#engine[Symbol.dispose]();
  }
}
