// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { encodeUtf8 } from "../../base/text.ts";
import { layout, planLimits } from "./layout.ts";

/** A part of the plan: where it begins and how many entries it has. */
export interface Section {
  readonly offset: number;
  readonly count: number;
}

/** Bytes that grow, with references to strings that are written last. Numbers are little endian. */
export class PlanWriter {
  #bytes = new Uint8Array(16 * 1024);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;
  readonly #strings = new Map<string, Uint8Array>();
  readonly #references: [offset: number, value: string][] = [];
  #stringBytes = 0;

  get length(): number {
    return this.#length;
  }

  /** Reserves `size` bytes of zeros at a multiple of 8 and returns their offset. */
  reserve(size: number): number {
    const offset = Math.ceil(this.#length / 8) * 8;
    this.#length = offset + size;
    if (this.#length > planLimits.bytes) {
      throw new DowelError("PLAN_INVALID", `A plan may have at most ${planLimits.bytes} bytes`);
    }
    if (this.#length > this.#bytes.length) this.#grow();
    return offset;
  }

  setU32(offset: number, value: number): void {
    this.#view.setUint32(offset, value, true);
  }

  setU64(offset: number, value: bigint): void {
    this.#view.setBigUint64(offset, BigInt.asUintN(64, value), true);
  }

  setSection(offset: number, section: Section): void {
    this.setU32(offset, section.offset);
    this.setU32(offset + 4, section.count);
  }

  /** Puts the string's offset here once it is known. Equal strings are stored once. */
  setString(offset: number, value: string): void {
    this.#references.push([offset, value]);
    if (this.#strings.has(value)) return;
    if (value.includes("\0")) {
      throw new DowelError("PLAN_INVALID", `A plan cannot hold text with a NUL byte: ${JSON.stringify(value)}`);
    }
    const bytes = encodeUtf8(value);
    this.#strings.set(value, bytes);
    this.#stringBytes += bytes.length + 1;
  }

  append(data: Uint8Array): number {
    const offset = this.reserve(data.length);
    this.#bytes.set(data, offset);
    return offset;
  }

  /** Writes all strings, each ended by NUL, and fills in the references to them. */
  writeStrings(): Section {
    const offset = this.reserve(this.#stringBytes);
    const offsets = new Map<string, number>();
    let next = offset;
    for (const [value, bytes] of this.#strings) {
      this.#bytes.set(bytes, next);
      offsets.set(value, next);
      next += bytes.length + 1;
    }
    for (const [at, value] of this.#references) this.setU32(at, offsets.get(value) ?? 0);
    return { offset, count: this.#stringBytes };
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  #grow(): void {
    let capacity = this.#bytes.length;
    while (capacity < this.#length) capacity *= 2;
    const grown = new Uint8Array(capacity);
    grown.set(this.#bytes);
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}

/** A section of strings by their offsets. */
export function writeWords(writer: PlanWriter, words: readonly string[]): Section {
  const offset = writer.reserve(words.length * layout.wordBytes);
  for (const [index, word] of words.entries()) writer.setString(offset + index * layout.wordBytes, word);
  return { offset, count: words.length };
}
