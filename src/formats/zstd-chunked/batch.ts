// SPDX-License-Identifier: Apache-2.0

/** What a piece of an archive is; flags may be joined. */
export const pieceFlag = {
  /** Belongs to the body of a file, else to what is between bodies. */
  body: 1,
  /** Nothing but zeros, which are not in the buffer. */
  zeros: 2,
  /** The frame that it belongs to ends with it; in a body that is a chunk. */
  frameEnd: 4,
  /** The body ends with it. */
  bodyEnd: 8,
} as const;

/** The next bytes of an archive, in memory that goes from hand to hand. */
export interface Batch {
  readonly buffer: ArrayBuffer;
  /** Length and flags of each piece, in turn; together they fill the first bytes of the buffer, but for zeros. */
  readonly pieces: readonly number[];
  /** Whether the archive ends with it. */
  readonly end: boolean;
  /** Memory for its frames, where there is some to be used again. */
  readonly room?: ArrayBuffer | undefined;
}

/** What a file's body is. Digests are hex. */
export interface BodyFacts {
  readonly sha256: string;
  /** CRC-64, 8 bytes. */
  readonly crc: Uint8Array;
  /** fs-verity; undefined where it was not asked for. */
  readonly verity: string | undefined;
}

export interface Digested {
  readonly buffer: ArrayBuffer;
  /** SHA-256 of the chunks that ended in the batch, hex. */
  readonly chunks: readonly string[];
  /** Of the bodies that ended in it. */
  readonly bodies: readonly BodyFacts[];
  /** SHA-256 of the whole archive, hex, where it ended. */
  readonly archive: string | undefined;
}

export interface Packed {
  readonly buffer: ArrayBuffer;
  /** Begins with the frames that ended in the batch, one behind the other. */
  readonly room: ArrayBuffer;
  /** Bytes of each of them. */
  readonly sizes: readonly number[];
}

const zeroBytes = new Uint8Array(256 * 1024);

/** So many zeros, in parts that share memory. */
export function* zerosOf(length: number): Generator<Uint8Array, void, undefined> {
  for (let rest = length; rest > 0; rest -= zeroBytes.length) {
    yield rest < zeroBytes.length ? zeroBytes.subarray(0, rest) : zeroBytes;
  }
}
