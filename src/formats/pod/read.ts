// SPDX-License-Identifier: Apache-2.0
import { limits } from "../../base/limits.ts";
import { type Dictionary, malformedPod, padded, podHeaderBytes, podType } from "./types.ts";

interface Pod {
  readonly type: number;
  /** Where its content begins and ends. */
  readonly start: number;
  readonly end: number;
}

/**
 * Reads the values of a struct one after the other, where they lie. What it passes over it does not look into. Throws
 * `SOUND_PROTOCOL` for a value that is cut, or of another type than asked for.
 */
export class PodReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #end: number;
  #at: number;

  private constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = start;
    this.#end = end;
  }

  /** A reader of the values between two offsets. */
  static values(bytes: Uint8Array, start: number, end: number): PodReader {
    return new PodReader(bytes, start, end);
  }

  /** Where all values end. */
  get end(): number {
    return this.#end;
  }

  /** Where the next value begins. */
  get offset(): number {
    return this.#at;
  }

  get done(): boolean {
    return this.#at >= this.#end;
  }

  #next(expected: string): Pod {
    const start = this.#at + podHeaderBytes;
    if (start > this.#end) throw malformedPod(this.#at, expected);
    const [size, type] = [this.#view.getUint32(this.#at, true), this.#view.getUint32(this.#at + 4, true)];
    const end = start + size;
    if (end > this.#end) throw malformedPod(this.#at, `a value that ends before offset ${this.#end}`);
    // The last value of a message need not be padded.
    this.#at = Math.min(start + padded(size), this.#end);
    return { type, start, end };
  }

  #expect(type: number, size: number, expected: string): number {
    const at = this.#at;
    const found = this.#next(expected);
    if (found.type !== type || found.end - found.start < size) throw malformedPod(at, expected);
    return found.start;
  }

  skip(count = 1): void {
    for (let index = 0; index < count; index++) this.#next("a value");
  }

  int(): number {
    return this.#view.getInt32(this.#expect(podType.int, 4, "a number"), true);
  }

  /** A number that counts values which follow. */
  count(): number {
    const at = this.#at;
    const count = this.int();
    if (count < 0 || count > limits.podItems) throw malformedPod(at, `a number from 0 to ${limits.podItems}`);
    return count;
  }

  id(): number {
    return this.#view.getUint32(this.#expect(podType.id, 4, "an id"), true);
  }

  long(): bigint {
    return this.#view.getBigInt64(this.#expect(podType.long, 8, "a long number"), true);
  }

  /** A text, or undefined for none. */
  optionalText(): string | undefined {
    const at = this.#at;
    const { type, start, end } = this.#next("a text");
    if (type === podType.none) return undefined;
    if (type !== podType.text || this.#bytes[end - 1] !== 0 || end === start) throw malformedPod(at, "a text");
    // PipeWire takes what stands before the first NUL.
    return Buffer.from(this.#bytes.subarray(start, this.#bytes.indexOf(0, start))).toString("utf8");
  }

  text(): string {
    const at = this.#at;
    const text = this.optionalText();
    if (text === undefined) throw malformedPod(at, "a text");
    return text;
  }

  /** The values in a struct. */
  struct(): PodReader {
    const inner = this.optionalStruct();
    if (inner === undefined) throw malformedPod(this.#at, "a struct");
    return inner;
  }

  /** The same, or undefined for none. */
  optionalStruct(): PodReader | undefined {
    const at = this.#at;
    const { type, start, end } = this.#next("a struct");
    if (type === podType.none) return undefined;
    if (type !== podType.struct) throw malformedPod(at, "a struct");
    return new PodReader(this.#bytes, start, end);
  }

  /** How many properties follow, then their names and values; of a name that comes twice the last value counts. */
  dictionary(): Dictionary {
    const found = new Map<string, string>();
    for (let left = this.count(); left > 0; left--) {
      const name = this.text();
      const value = this.optionalText();
      if (value === undefined) found.delete(name);
      else found.set(name, value);
    }
    return found;
  }
}
