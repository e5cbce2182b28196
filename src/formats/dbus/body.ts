// SPDX-License-Identifier: Apache-2.0
import { limits } from "../../base/limits.ts";
import { invalidMessage, type MessageHeader } from "./header.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Reads the values of a body one after another; the whole message must be at `start`. Throws `DBUS_INVALID`. */
export class BodyReader {
  readonly #view: DataView;
  readonly #littleEndian: boolean;
  #at = 0;

  constructor(bytes: Uint8Array, start: number, header: MessageHeader) {
    const length = header.length - header.headerLength;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset + start + header.headerLength, length);
    this.#littleEndian = header.littleEndian;
  }

  uint32(): number {
    while ((this.#at & 3) !== 0) {
      if (this.#at >= this.#view.byteLength || this.#view.getUint8(this.#at) !== 0) {
        throw invalidMessage(this.#at, "padding of zeros in the body");
      }
      this.#at++;
    }
    if (this.#at + 4 > this.#view.byteLength) throw invalidMessage(this.#at, "a number within the body");
    this.#at += 4;
    return this.#view.getUint32(this.#at - 4, this.#littleEndian);
  }

  string(): string {
    const length = this.uint32();
    const end = this.#at + length;
    if (end >= this.#view.byteLength || this.#view.getUint8(end) !== 0) {
      throw invalidMessage(this.#at, "a text that ends with NUL");
    }
    const bytes = new Uint8Array(this.#view.buffer, this.#view.byteOffset + this.#at, length);
    if (bytes.includes(0)) throw invalidMessage(this.#at, "a text without NUL");
    this.#at = end + 1;
    try {
      return utf8.decode(bytes);
    } catch {
      throw invalidMessage(end - length, "a text in UTF-8");
    }
  }

  strings(): string[] {
    const length = this.uint32();
    if (length > limits.busArrayBytes) throw invalidMessage(this.#at, `at most ${limits.busArrayBytes} bytes of array`);
    const end = this.#at + length;
    const result: string[] = [];
    while (this.#at < end) result.push(this.string());
    if (this.#at !== end) throw invalidMessage(end, "the end of the array");
    return result;
  }

  /** Nothing may follow. */
  end(): void {
    if (this.#at !== this.#view.byteLength) throw invalidMessage(this.#at, "the end of the body");
  }
}
