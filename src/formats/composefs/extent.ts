// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import type { ByteString } from "./bytestring.ts";

/** Refuses an image; the offset is where the wrong bytes are. */
export function invalid(offset: number, expected: string): never {
  throw new DowelError("COMPOSEFS_INVALID", `composefs image, offset ${offset}: ${expected}`);
}

/**
 * The bytes of a hostile image. Every part must be claimed before it is read, and all claims together must fit into
 * the image: parts of a sound image do not overlap, and so the work is bounded by the size of the image.
 */
export class Extent {
  readonly #bytes: Buffer;
  readonly #view: DataView;
  #unclaimed: number;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#unclaimed = bytes.length;
  }

  claim(offset: number, length: number): void {
    if (offset < 0 || offset + length > this.#bytes.length) invalid(offset, `${length} bytes must be inside the image`);
    this.#unclaimed -= length;
    if (this.#unclaimed < 0) invalid(offset, "parts of the image must not overlap");
  }

  u8(offset: number): number {
    return this.#view.getUint8(offset);
  }

  u16(offset: number): number {
    return this.#view.getUint16(offset, true);
  }

  u32(offset: number): number {
    return this.#view.getUint32(offset, true);
  }

  /** A 64-bit number, signed; beyond the safe integers it is refused. */
  s64(offset: number): number {
    const value = this.#view.getInt32(offset + 4, true) * 2 ** 32 + this.#view.getUint32(offset, true);
    if (!Number.isSafeInteger(value)) invalid(offset, "the number must be within 53 bits");
    return value;
  }

  text(offset: number, length: number): ByteString {
    return this.#bytes.toString("latin1", offset, offset + length);
  }

  /** The first zero byte in [offset, end), or `end`. */
  textEnd(offset: number, end: number): number {
    const found = this.#bytes.subarray(offset, end).indexOf(0);
    return found < 0 ? end : offset + found;
  }
}
