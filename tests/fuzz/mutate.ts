// SPDX-License-Identifier: Apache-2.0

/** Numbers that look random and are the same for the same seed (xorshift32). */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = (seed * 2_654_435_761) >>> 0 || 1;
  }

  /** A whole number below `limit`. */
  below(limit: number): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state >>> 0;
    return limit <= 0 ? 0 : this.#state % limit;
  }
}

const edges = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0xffff_ffff];

type Mutation = (bytes: Buffer, dice: Dice, other: Buffer) => Buffer;

function span(bytes: Buffer, dice: Dice): { readonly start: number; readonly end: number } {
  const start = dice.below(bytes.length);
  return { start, end: Math.min(bytes.length, start + 1 + dice.below(dice.below(2) === 0 ? 8 : bytes.length)) };
}

function writeEdge(bytes: Buffer, dice: Dice): Buffer {
  const width = [1, 2, 4][dice.below(3)] ?? 1;
  if (bytes.length < width) return bytes;
  const at = dice.below(bytes.length - width + 1);
  const value = (edges[dice.below(edges.length)] ?? 0) % 2 ** (8 * width);
  if (dice.below(2) === 0) bytes.writeUIntLE(value, at, width);
  else bytes.writeUIntBE(value, at, width);
  return bytes;
}

/** Changes a number written in digits, as formats of text have them. */
function changeNumber(bytes: Buffer, dice: Dice): Buffer {
  const text = bytes.toString("latin1");
  const numbers = [...text.matchAll(/\d+/g)];
  const chosen = numbers[dice.below(numbers.length)];
  if (chosen === undefined) return bytes;
  const values = ["0", "-1", "1e309", "9007199254740993", "18446744073709551616", "00", String(dice.below(2 ** 31))];
  const value = values[dice.below(values.length)] ?? "0";
  return Buffer.from(text.slice(0, chosen.index) + value + text.slice(chosen.index + chosen[0].length), "latin1");
}

const mutations: readonly Mutation[] = [
  (bytes, dice) => {
    const at = dice.below(bytes.length);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << dice.below(8));
    return bytes;
  },
  (bytes, dice) => {
    bytes[dice.below(bytes.length)] = dice.below(256);
    return bytes;
  },
  writeEdge,
  changeNumber,
  (bytes, dice) => bytes.subarray(0, dice.below(bytes.length + 1)),
  (bytes, dice) => {
    const { start, end } = span(bytes, dice);
    return Buffer.concat([bytes.subarray(0, start), bytes.subarray(end)]);
  },
  (bytes, dice) => {
    const { start, end } = span(bytes, dice);
    return Buffer.concat([bytes.subarray(0, end), bytes.subarray(start)]);
  },
  (bytes, dice, other) => {
    const { start, end } = span(other, dice);
    const at = dice.below(bytes.length + 1);
    return Buffer.concat([bytes.subarray(0, at), other.subarray(start, end), bytes.subarray(at)]);
  },
  (bytes, dice, other) => {
    const { start, end } = span(bytes, dice);
    return Buffer.concat([bytes.subarray(0, start), other.subarray(start, end), bytes.subarray(end)]);
  },
];

/** What comes out of a sample by a few changes; `other` lends parts. Larger results are cut to 64 KiB. */
export function mutate(sample: Uint8Array, other: Uint8Array, dice: Dice): Uint8Array {
  let bytes = Buffer.from(sample);
  for (let left = 1 + dice.below(6); left > 0; left--) {
    const mutation = mutations[dice.below(mutations.length)];
    if (mutation === undefined || bytes.length === 0) break;
    bytes = Buffer.from(mutation(bytes, dice, Buffer.from(other)).subarray(0, 65_536));
  }
  return bytes;
}
