// SPDX-License-Identifier: Apache-2.0

/** What the chunker makes of a body. */
export interface ChunkSink {
  /** The next bytes of the current chunk; they share memory with what was pushed, or with a buffer of zeros. */
  data(bytes: Uint8Array, hole: boolean): void;
  /** The current chunk ends here, if it has any bytes. A hole is nothing but zeros. */
  cut(hole: boolean): void;
}

const windowBytes = 64;
const characterOffset = 31;
const splitMask = 0xffff;
/** So many zero bytes make a hole. */
const holeBytes = 1024;
const freshSum1 = windowBytes * characterOffset;
const freshSum2 = windowBytes * (windowBytes - 1) * characterOffset;

const zeros = new Uint8Array(256 * 1024);

/**
 * Cuts a body into chunks where its content says so: behind each byte at which the low 16 bits of the second rolling
 * sum of the last 64 bytes are ones (the sums of bup), and around holes. Equal parts of two bodies so mostly become
 * equal chunks. The boundaries are those that containers-storage writes.
 */
export class Chunker {
  readonly #sink: ChunkSink;
  #sum1 = freshSum1;
  #sum2 = freshSum2;
  readonly #window = new Uint8Array(windowBytes);
  #windowAt = 0;
  /** Zeros that came last, which the sink has not seen: whether they are a hole is still open. */
  #zeros = 0;

  constructor(sink: ChunkSink) {
    this.#sink = sink;
  }

  push(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#zeros > 0) {
        const end = endOfZeros(bytes, at);
        this.#zeros += end - at;
        if (end === bytes.length) return;
        this.#settleZeros();
        at = end;
      }
      const next = nextHole(bytes, at);
      this.#roll(bytes, at, next);
      at = endOfZeros(bytes, next);
      this.#zeros = at - next;
    }
  }

  /** Says that the body has ended. */
  finish(): void {
    this.#settleZeros();
    this.#sink.cut(false);
  }

  #settleZeros(): void {
    const isHole = this.#zeros >= holeBytes;
    if (isHole) this.#sink.cut(false);
    for (let rest = this.#zeros; rest > 0; ) {
      const part = zeros.subarray(0, Math.min(rest, zeros.length));
      if (isHole) this.#sink.data(part, true);
      else this.#roll(part, 0, part.length);
      rest -= part.length;
    }
    this.#zeros = 0;
    if (!isHole) return;
    this.#sink.cut(true);
    // where the window holds only zeros, the sums are as at the start
    this.#window.fill(0);
    this.#sum1 = freshSum1;
    this.#sum2 = freshSum2;
  }

  #roll(bytes: Uint8Array, start: number, end: number): void {
    const window = this.#window;
    const inWindow = Math.min(end, start + windowBytes);
    let from = start;
    for (let at = start; at < inWindow; at++) {
      const place = (this.#windowAt + at - start) % windowBytes;
      if (this.#step(bytes[at] ?? 0, window[place] ?? 0)) from = this.#split(bytes, from, at + 1);
    }
    for (let at = inWindow; at < end; ) {
      at = this.#scan(bytes, at, end);
      if (at <= end) from = this.#split(bytes, from, at);
    }
    for (let at = Math.max(start, end - windowBytes); at < end; at++) {
      window[(this.#windowAt + at - start) % windowBytes] = bytes[at] ?? 0;
    }
    this.#windowAt = (this.#windowAt + end - start) % windowBytes;
    if (from < end) this.#sink.data(bytes.subarray(from, end), false);
  }

  /** Takes one byte into the sums and another out of them; says whether a chunk ends here. */
  #step(byte: number, drop: number): boolean {
    this.#sum1 = (this.#sum1 + byte - drop) | 0;
    this.#sum2 = (this.#sum2 + this.#sum1 - windowBytes * (drop + characterOffset)) | 0;
    return (this.#sum2 & splitMask) === splitMask;
  }

  /**
   * As `#step` for bytes whose window lies in `bytes`, up to the end of a chunk, whose place it answers; past `end` where
   * none ends. Most bytes come here, so that it makes no calls and rounds each sum once.
   */
  #scan(bytes: Uint8Array, start: number, end: number): number {
    let sum1 = this.#sum1;
    let sum2 = this.#sum2;
    let place = end + 1;
    for (let at = start; at < end; at++) {
      const drop = bytes[at - windowBytes] ?? 0;
      // grouped so that each sum waits for one addition only
      sum1 = (sum1 + ((bytes[at] ?? 0) - drop)) | 0;
      sum2 = (sum2 + (sum1 - windowBytes * (drop + characterOffset))) | 0;
      if ((sum2 & splitMask) !== splitMask) continue;
      place = at + 1;
      break;
    }
    this.#sum1 = sum1;
    this.#sum2 = sum2;
    return place;
  }

  #split(bytes: Uint8Array, start: number, end: number): number {
    this.#sink.data(bytes.subarray(start, end), false);
    this.#sink.cut(false);
    return end;
  }
}

function endOfZeros(bytes: Uint8Array, start: number): number {
  let at = start;
  while (at < bytes.length && bytes[at] === 0) at++;
  return at;
}

/** Where the next zeros start that are a hole, or may become one because they are the last bytes; else the end. */
function nextHole(bytes: Uint8Array, start: number): number {
  // a hole spans at least one place of every 1024th
  for (let place = start + holeBytes - 1; place < bytes.length; place += holeBytes) {
    if (bytes[place] !== 0) continue;
    const end = endOfZeros(bytes, place);
    const first = startOfZeros(bytes, place, start);
    if (end - first >= holeBytes || end === bytes.length) return first;
  }
  return startOfZeros(bytes, bytes.length, start);
}

/** The start of the zeros that end before `end`, not before `least`. */
function startOfZeros(bytes: Uint8Array, end: number, least: number): number {
  let at = end;
  while (at > least && bytes[at - 1] === 0) at--;
  return at;
}
