// SPDX-License-Identifier: Apache-2.0
import { limits } from "../../base/limits.ts";
import { invalidMessage, latin1, type MessageHeader } from "./header.ts";
import { isObjectPath } from "./names.ts";
import { isSignature, splitSignature } from "./signature.ts";
import { alignments, type Variant } from "./types.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Variants in variants; the specification's limit for all containers together. */
const depthLimit = 64;

/** Reads typed values; offsets are counted from the start of the body, which is aligned to 8. */
class ValueReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #littleEndian: boolean;
  readonly #descriptors: readonly number[];
  #at = 0;
  #depth = 0;

  constructor(body: Uint8Array, littleEndian: boolean, descriptors: readonly number[]) {
    this.#bytes = body;
    this.#view = new DataView(body.buffer, body.byteOffset, body.byteLength);
    this.#littleEndian = littleEndian;
    this.#descriptors = descriptors;
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  get offset(): number {
    return this.#at;
  }

  #align(unit: number): void {
    while ((this.#at & (unit - 1)) !== 0) {
      if (this.#bytes[this.#at] !== 0) throw invalidMessage(this.#at, "padding of zeros in the body");
      this.#at++;
    }
  }

  /** The offset of a value of so many bytes, aligned to them. */
  #take(bytes: number): number {
    this.#align(bytes);
    const at = this.#at;
    if (at + bytes > this.#bytes.length) throw invalidMessage(at, "a number within the body");
    this.#at += bytes;
    return at;
  }

  #uint32(): number {
    return this.#view.getUint32(this.#take(4), this.#littleEndian);
  }

  #textBytes(length: number): Uint8Array {
    const end = this.#at + length;
    if (end >= this.#bytes.length || this.#bytes[end] !== 0)
      throw invalidMessage(this.#at, "a text that ends with NUL");
    const bytes = this.#bytes.subarray(this.#at, end);
    if (bytes.includes(0)) throw invalidMessage(this.#at, "a text without NUL");
    this.#at = end + 1;
    return bytes;
  }

  #text(type: string): string {
    const at = this.#at;
    const bytes = this.#textBytes(this.#uint32());
    let text: string;
    try {
      text = utf8.decode(bytes);
    } catch {
      throw invalidMessage(at, "a text in UTF-8");
    }
    if (type === "o" && !isObjectPath(text)) throw invalidMessage(at, "an object path");
    return text;
  }

  #signature(): string {
    const at = this.#take(1);
    const bytes = this.#textBytes(this.#bytes[at] ?? 0);
    const text = latin1(bytes, 0, bytes.length);
    if (!isSignature(text)) throw invalidMessage(at, "a signature");
    return text;
  }

  #descriptor(): number {
    const index = this.#uint32();
    const fd = this.#descriptors[index];
    if (fd === undefined) throw invalidMessage(this.#at - 4, "the place of a descriptor that came along");
    return fd;
  }

  #variant(): Variant {
    const at = this.#at;
    const signature = this.#signature();
    if (splitSignature(signature).length !== 1) throw invalidMessage(at, "a variant of one type");
    return { signature, value: this.value(signature) };
  }

  #array(type: string): unknown {
    const length = this.#uint32();
    if (length > limits.busArrayBytes) throw invalidMessage(this.#at, `at most ${limits.busArrayBytes} bytes of array`);
    const element = type.slice(1);
    this.#align(alignments[element.charAt(0)] ?? 1);
    const end = this.#at + length;
    if (end > this.#bytes.length) throw invalidMessage(this.#at, "an array within the body");
    if (type === "ay") {
      this.#at = end;
      return this.#bytes.slice(end - length, end);
    }
    const result = element.startsWith("{") ? this.#entries(element, end) : this.#elements(element, end);
    if (this.#at !== end) throw invalidMessage(end, "the end of the array");
    return result;
  }

  #elements(element: string, end: number): unknown[] {
    const result: unknown[] = [];
    while (this.#at < end) result.push(this.value(element));
    return result;
  }

  #entries(element: string, end: number): Map<unknown, unknown> {
    const [key = "", entry = ""] = splitSignature(element.slice(1, -1));
    const result = new Map<unknown, unknown>();
    while (this.#at < end) {
      this.#align(8);
      const name = this.value(key);
      // Two readers could take different ones.
      if (result.has(name)) throw invalidMessage(this.#at, "each key of a dictionary once");
      result.set(name, this.value(entry));
    }
    return result;
  }

  #boolean(): boolean {
    const value = this.#uint32();
    if (value > 1) throw invalidMessage(this.#at - 4, "0 or 1");
    return value === 1;
  }

  value(type: string): unknown {
    switch (type.charAt(0)) {
      case "y":
        return this.#view.getUint8(this.#take(1));
      case "b":
        return this.#boolean();
      case "n":
        return this.#view.getInt16(this.#take(2), this.#littleEndian);
      case "q":
        return this.#view.getUint16(this.#take(2), this.#littleEndian);
      case "i":
        return this.#view.getInt32(this.#take(4), this.#littleEndian);
      case "u":
        return this.#uint32();
      case "x":
        return this.#view.getBigInt64(this.#take(8), this.#littleEndian);
      case "t":
        return this.#view.getBigUint64(this.#take(8), this.#littleEndian);
      case "d":
        return this.#view.getFloat64(this.#take(8), this.#littleEndian);
      case "g":
        return this.#signature();
      case "h":
        return this.#descriptor();
      case "s":
      case "o":
        return this.#text(type);
      default:
        return this.#container(type);
    }
  }

  #container(type: string): unknown {
    if (++this.#depth > depthLimit) throw invalidMessage(this.#at, `containers at most ${depthLimit} deep`);
    let result: unknown;
    if (type === "v") {
      result = this.#variant();
    } else if (type.startsWith("a")) {
      result = this.#array(type);
    } else {
      this.#align(8);
      result = splitSignature(type.slice(1, -1)).map((member) => this.value(member));
    }
    this.#depth--;
    return result;
  }
}

/**
 * Reads the values of a message whose header was read; the whole message must be at `start`. Descriptors stay their
 * owner's. Throws `DBUS_INVALID`.
 */
export function readValues(
  bytes: Uint8Array,
  start: number,
  header: MessageHeader,
  descriptors: readonly number[],
): readonly unknown[] {
  const body = bytes.subarray(start + header.headerLength, start + header.length);
  const reader = new ValueReader(body, header.littleEndian, descriptors);
  const values = splitSignature(header.signature).map((type) => reader.value(type));
  if (!reader.atEnd) throw invalidMessage(reader.offset, "the end of the body");
  return values;
}
