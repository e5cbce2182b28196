// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { decompress } from "../compression/decompress.ts";
import { DeltaReader, invalidDelta } from "./reader.ts";

const magic = "tardf1\n\0";
const pieceBytes = 1024 * 1024;

const operations = { data: 0, open: 1, copy: 2, addData: 3, seek: 4 } as const;

/** A file that the old layer brought. */
export interface OldFile extends Disposable {
  readonly size: number;
  /** At least one byte from an offset within the file, at most so many; they may be overwritten by the next call. */
  read(offset: number, most: number): Uint8Array;
}

export interface ApplyOptions {
  /** Most bytes that may come out. */
  readonly maxBytes: number;
  readonly signal?: AbortSignal | undefined;
}

/** Passes a stream on without its first bytes, which must be the magic ones. */
async function* withoutMagic(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  await using reader = new DeltaReader(stream);
  if ((await reader.text(magic.length)) !== magic) throw invalidDelta("it does not begin as one");
  while (await reader.more()) yield await reader.some(pieceBytes);
}

/** The state of a delta that is applied: the old file that is open, and the place in it. */
class Applying implements Disposable {
  readonly #reader: DeltaReader;
  readonly #open: (path: string) => OldFile | undefined;
  #file: OldFile | undefined;
  #at = 0;

  constructor(reader: DeltaReader, open: (path: string) => OldFile | undefined) {
    this.#reader = reader;
    this.#open = open;
  }

  [Symbol.dispose](): void {
    this.#file?.[Symbol.dispose]();
    this.#file = undefined;
  }

  async *operation(): AsyncGenerator<Uint8Array> {
    const code = await this.#reader.byte();
    const size = await this.#reader.number();
    switch (code) {
      case operations.data:
        return yield* this.#data(size);
      case operations.open:
        return await this.#openFile(size);
      case operations.copy:
        return yield* this.#copy(size);
      case operations.addData:
        return yield* this.#addData(size);
      case operations.seek:
        this.#at = size;
        return;
      default:
        throw invalidDelta(`an operation ${code} that there is not`);
    }
  }

  async *#data(size: number): AsyncGenerator<Uint8Array> {
    for (let left = size; left > 0; ) {
      const bytes = await this.#reader.some(Math.min(left, pieceBytes));
      left -= bytes.length;
      yield bytes;
    }
  }

  async #openFile(length: number): Promise<void> {
    if (length > limits.pathBytes) throw invalidDelta(`a path of ${length} bytes`);
    const path = await this.#reader.text(length);
    this[Symbol.dispose]();
    this.#file = this.#open(path);
    this.#at = 0;
    if (this.#file === undefined) throw invalidDelta(`the old layer has no file ${JSON.stringify(path)}`);
  }

  *#copy(size: number): Generator<Uint8Array> {
    for (let left = size; left > 0; ) {
      const bytes = this.#old(Math.min(left, pieceBytes));
      left -= bytes.length;
      yield bytes;
    }
  }

  async *#addData(size: number): AsyncGenerator<Uint8Array> {
    for (let left = size; left > 0; ) {
      const added = await this.#reader.some(Math.min(left, pieceBytes));
      left -= added.length;
      for (let done = 0; done < added.length; ) {
        const old = this.#old(added.length - done);
        const sum = new Uint8Array(old.length);
        for (let at = 0; at < old.length; at++) sum[at] = (old[at] ?? 0) + (added[done + at] ?? 0);
        done += old.length;
        yield sum;
      }
    }
  }

  #old(most: number): Uint8Array {
    if (this.#file === undefined) throw invalidDelta("it reads of an old file before it opens one");
    if (this.#at >= this.#file.size)
      throw invalidDelta(`it reads behind the end of an old file of ${this.#file.size} bytes`);
    const bytes = this.#file.read(this.#at, most);
    this.#at += bytes.length;
    return bytes;
  }
}

/**
 * The archive that a delta of the form `tar-diff` (containers/tar-diff, version 1) makes of the files of an old one: 8 magic
 * bytes, then zstd of operations, each a byte and a number. `open` finds a file of the old layer by its path there. The
 * bytes that come out are nobody's word: their digest is to be compared. Throws `DELTA_INVALID`, `COMPRESSION_INVALID`,
 * `LIMIT_EXCEEDED`.
 */
export async function* applyTarDiff(
  delta: AsyncIterable<Uint8Array>,
  open: (path: string) => OldFile | undefined,
  { maxBytes, signal }: ApplyOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  await using reader = new DeltaReader(decompress(withoutMagic(delta), "zstd", { maxBytes, signal }));
  using applying = new Applying(reader, open);
  let size = 0;
  while (await reader.more()) {
    for await (const bytes of applying.operation()) {
      size += bytes.length;
      if (size > maxBytes) throw new DowelError("LIMIT_EXCEEDED", `Delta: it makes more than ${maxBytes} bytes`);
      yield bytes;
    }
  }
}
