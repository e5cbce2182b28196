// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { isObjectPath } from "../dbus/names.ts";
import { isSignature, splitSignature } from "../dbus/signature.ts";
import type { Variant } from "../dbus/types.ts";
import { layoutOf, offsetBytes, padded } from "./layout.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const depthLimit = 64;

function invalid(offset: number, expected: string): DowelError {
  return new DowelError("GVARIANT_INVALID", `Cannot read the GVariant: at offset ${offset} there must be ${expected}`);
}

/** Reads values in normal form; offsets are counted from the start of the bytes, which is aligned to 8. */
class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #little: boolean;
  #depth = 0;

  constructor(bytes: Uint8Array, little: boolean) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#little = little;
  }

  #align(at: number, alignment: number, end: number): number {
    const next = padded(at, alignment);
    if (next > end) throw invalid(at, "padding within the value");
    this.#checkPadding(at, next);
    return next;
  }

  #checkPadding(start: number, end: number): void {
    for (let index = start; index < end; index++) {
      if (this.#bytes[index] !== 0) throw invalid(index, "padding of zeros");
    }
  }

  /** Framing offsets are little endian, whatever the values are. */
  #offset(at: number, bytes: 1 | 2 | 4): number {
    if (bytes === 1) return this.#view.getUint8(at);
    return bytes === 2 ? this.#view.getUint16(at, true) : this.#view.getUint32(at, true);
  }

  #members(types: readonly string[], start: number, end: number): unknown[] {
    const frame = offsetBytes(end - start);
    const framed = types.slice(0, -1).filter((type) => layoutOf(type).size === 0).length;
    const limit = end - framed * frame;
    if (limit < start) throw invalid(start, "framing offsets within the tuple");
    let at = start;
    let seen = 0;
    return types.map((type, index) => {
      const { alignment, size } = layoutOf(type);
      const from = this.#align(at, alignment, limit);
      const isLast = index === types.length - 1;
      if (size > 0) at = from + size;
      else at = isLast ? limit : start + this.#offset(end - ++seen * frame, frame);
      if (at < from || at > limit) throw invalid(from, "a member within its tuple");
      return this.value(type, from, at);
    });
  }

  #tuple(type: string, start: number, end: number): unknown[] {
    const { members, size } = layoutOf(type);
    if (size === 0) return this.#members(members, start, end);
    if (end - start !== size) throw invalid(start, `a tuple of ${size} bytes`);
    let at = start;
    const values = members.map((member) => {
      const layout = layoutOf(member);
      const from = this.#align(at, layout.alignment, end);
      at = from + layout.size;
      return this.value(member, from, at);
    });
    this.#checkPadding(at, end);
    return values;
  }

  /** Where the elements of an array lie. */
  *#elements(element: string, start: number, end: number): Generator<readonly [number, number]> {
    const { alignment, size } = layoutOf(element);
    if (size > 0) {
      if ((end - start) % size !== 0) throw invalid(start, `an array of elements of ${size} bytes`);
      for (let at = start; at < end; at += size) yield [at, at + size];
      return;
    }
    if (start === end) return;
    const frame = offsetBytes(end - start);
    const frames = start + this.#offset(end - frame, frame);
    if (frames > end - frame || (end - frames) % frame !== 0) throw invalid(end - frame, "the end of the last element");
    let at = start;
    for (let index = frames; index < end; index += frame) {
      const from = this.#align(at, alignment, frames);
      at = start + this.#offset(index, frame);
      if (at < from || at > frames) throw invalid(index, "the end of an element");
      yield [from, at];
    }
  }

  #array(element: string, start: number, end: number): unknown {
    if (element === "y") return this.#bytes.slice(start, end);
    const places = [...this.#elements(element, start, end)];
    if (!element.startsWith("{")) return places.map(([from, to]) => this.value(element, from, to));
    const result = new Map<unknown, unknown>();
    for (const [from, to] of places) {
      const [key, value] = this.#tuple(element, from, to);
      if (result.has(key)) throw invalid(from, "each key of a dictionary once");
      result.set(key, value);
    }
    return result;
  }

  #text(type: string, start: number, end: number): string {
    const bytes = this.#bytes.subarray(start, end - 1);
    if (end <= start || this.#bytes[end - 1] !== 0 || bytes.includes(0))
      throw invalid(start, "a text that ends with NUL");
    let text: string;
    try {
      text = utf8.decode(bytes);
    } catch {
      throw invalid(start, "a text in UTF-8");
    }
    if (type === "o" && !isObjectPath(text)) throw invalid(start, "an object path");
    if (type === "g" && !isSignature(text)) throw invalid(start, "a signature");
    return text;
  }

  variant(start: number, end: number): Variant {
    const nul = start + this.#bytes.subarray(start, end).lastIndexOf(0);
    if (nul < start) throw invalid(start, "a variant with its type");
    const signature = Buffer.from(this.#bytes.subarray(nul + 1, end)).toString("latin1");
    if (!isSignature(signature) || splitSignature(signature).length !== 1) throw invalid(nul + 1, "one type");
    return { signature, value: this.value(signature, start, nul) };
  }

  #boolean(at: number): boolean {
    const byte = this.#view.getUint8(at);
    if (byte > 1) throw invalid(at, "0 or 1");
    return byte === 1;
  }

  #number(type: string, at: number): unknown {
    switch (type) {
      case "y":
        return this.#view.getUint8(at);
      case "b":
        return this.#boolean(at);
      case "n":
        return this.#view.getInt16(at, this.#little);
      case "q":
        return this.#view.getUint16(at, this.#little);
      case "u":
        return this.#view.getUint32(at, this.#little);
      case "x":
        return this.#view.getBigInt64(at, this.#little);
      case "t":
        return this.#view.getBigUint64(at, this.#little);
      case "d":
        return this.#view.getFloat64(at, this.#little);
      default:
        return this.#view.getInt32(at, this.#little);
    }
  }

  value(type: string, start: number, end: number): unknown {
    if (++this.#depth > depthLimit) throw invalid(start, `at most ${depthLimit} containers in each other`);
    try {
      const first = type.charAt(0);
      if (first === "a") return this.#array(type.slice(1), start, end);
      if (first === "(" || first === "{") return this.#tuple(type, start, end);
      if (first === "v") return this.variant(start, end);
      if (first === "s" || first === "o" || first === "g") return this.#text(type, start, end);
      if (end - start !== layoutOf(type).size) throw invalid(start, `a value of type '${type}'`);
      return this.#number(type, start);
    } finally {
      this.#depth--;
    }
  }
}

/**
 * Reads a serialised variant: a value of a type that D-Bus has too, and its type. Only normal form is taken, of either byte
 * order. Throws `GVARIANT_INVALID`. Values are as those of D-Bus messages; `h` is a plain number.
 */
export function readVariant(bytes: Uint8Array, littleEndian = true): Variant {
  return new Reader(bytes, littleEndian).variant(0, bytes.length);
}
