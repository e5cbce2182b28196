// SPDX-License-Identifier: Apache-2.0
import { type Batch, type Digested, type Packed, pieceFlag } from "./batch.ts";
import { type Stage, startStage } from "./stage.ts";

const batchBytes = 1024 * 1024;
/** What may be on its way at once: more only costs memory. */
const maxBatches = 8;

interface AssemblyOptions {
  /** zstd's. */
  readonly level: number;
  readonly withVerity: boolean;
  /** Whether digesting and packing get a thread each; without, all is done when it is given. */
  readonly threaded: boolean;
}

/** Is told what becomes of the archive, each in order. */
interface Recipient {
  digested(result: Digested): void;
  packed(result: Packed): void;
}

/**
 * Puts an archive together in batches of 1 MiB, which are digested first and then packed. Their memory goes from hand to
 * hand and comes back; nothing is copied on the way.
 */
export class Assembly implements AsyncDisposable {
  readonly #digesting: Stage<Digested>;
  readonly #packing: Stage<Packed>;
  readonly #recipient: Recipient;
  readonly #spare: ArrayBuffer[] = [];
  readonly #rooms: ArrayBuffer[] = [];
  #buffer = new Uint8Array(new ArrayBuffer(batchBytes));
  #used = 0;
  /** Length and flags of each piece; the last may still grow. */
  #pieces: number[] = [];
  #onTheWay = 0;
  #failure: { readonly cause: unknown } | undefined;
  #wake = (): void => undefined;

  constructor({ level, withVerity, threaded }: AssemblyOptions, recipient: Recipient) {
    this.#digesting = startStage({ kind: "digest", withVerity }, threaded);
    this.#packing = startStage({ kind: "pack", level }, threaded);
    this.#recipient = recipient;
  }

  /** Adds bytes, which stay the caller's; `flags` say what they belong to. */
  put(bytes: Uint8Array, flags: number): void {
    for (let at = 0; at < bytes.length; ) {
      if (this.#used === batchBytes) this.#send(false);
      const length = Math.min(bytes.length - at, batchBytes - this.#used);
      this.#buffer.set(at === 0 && length === bytes.length ? bytes : bytes.subarray(at, at + length), this.#used);
      this.#used += length;
      at += length;
      this.#extend(length, flags);
    }
  }

  /** Adds zeros, which take no memory. */
  putZeros(length: number, flags: number): void {
    this.#extend(length, flags | pieceFlag.zeros);
  }

  /** Ends the frame, or the body, that the bytes before belong to. */
  mark(flags: number): void {
    const last = this.#pieces.length - 1;
    if (last < 0) throw new Error("There is nothing that could end");
    this.#pieces[last] = (this.#pieces[last] ?? 0) | flags;
  }

  /** Takes back the memory of frames that nobody reads any more. */
  giveBack(room: ArrayBuffer): void {
    // what a chunk of unusual size has needed is not kept
    if (room.byteLength <= 2 * batchBytes && this.#rooms.length < maxBatches) this.#rooms.push(room);
  }

  #extend(length: number, flags: number): void {
    const last = this.#pieces.length - 1;
    if (last > 0 && this.#pieces[last] === flags) this.#pieces[last - 1] = (this.#pieces[last - 1] ?? 0) + length;
    else this.#pieces.push(length, flags);
  }

  /** Whether `room` must be awaited before more is added. */
  get isFull(): boolean {
    return this.#onTheWay >= maxBatches || this.#failure !== undefined;
  }

  /** Waits until more may be added. Throws what went wrong with what was added before. */
  async room(): Promise<void> {
    await this.#until(maxBatches - 1);
  }

  /** Ends the archive, and waits until the recipient has been told everything. */
  async finish(): Promise<void> {
    this.#send(true);
    await this.#until(0);
  }

  async #until(most: number): Promise<void> {
    while (this.#onTheWay > most && this.#failure === undefined) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#failure !== undefined) throw this.#failure.cause;
  }

  #send(end: boolean): void {
    const batch = { buffer: this.#buffer.buffer, pieces: this.#pieces, end };
    this.#buffer = new Uint8Array(this.#spare.pop() ?? new ArrayBuffer(batchBytes));
    this.#used = 0;
    this.#pieces = [];
    this.#onTheWay += 1;
    void this.#pass(batch);
  }

  async #pass({ buffer, pieces, end }: Batch): Promise<void> {
    try {
      const digested = await this.#digesting.run({ buffer, pieces, end });
      this.#recipient.digested(digested);
      const packed = await this.#packing.run({ buffer: digested.buffer, pieces, end, room: this.#rooms.pop() });
      this.#spare.push(packed.buffer);
      this.#recipient.packed(packed);
    } catch (cause) {
      this.#failure ??= { cause };
    }
    this.#onTheWay -= 1;
    this.#wake();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#digesting[Symbol.asyncDispose]();
    await this.#packing[Symbol.asyncDispose]();
  }
}
