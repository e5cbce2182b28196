// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";

/** Takes bytes and lines off a stream. */
export class InputReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #what: string;
  #chunk: Uint8Array = new Uint8Array(0);
  #offset = 0;

  constructor(chunks: AsyncIterable<Uint8Array>, what: string) {
    this.#chunks = chunks[Symbol.asyncIterator]();
    this.#what = what;
  }

  /** From 1 to `most` bytes, without copying; undefined at the end. */
  async some(most: number): Promise<Uint8Array | undefined> {
    while (this.#chunk.length === 0) {
      const next = await this.#chunks.next();
      if (next.done === true) return undefined;
      this.#chunk = next.value;
    }
    const bytes = this.#chunk.subarray(0, most);
    this.#chunk = this.#chunk.subarray(bytes.length);
    this.#offset += bytes.length;
    return bytes;
  }

  /** The next line without its LF or CRLF, as Latin-1; at the end of the stream the LF may be missing. */
  async line(maxBytes: number): Promise<string> {
    let line = "";
    let found = false;
    while (!found) {
      const bytes = await this.some(256);
      if (bytes === undefined) {
        if (line === "") this.cutShort();
        break;
      }
      const end = bytes.indexOf(0x0a);
      found = end >= 0;
      const taken = found ? end + 1 : bytes.length;
      line += Buffer.from(bytes.subarray(0, taken)).toString("latin1");
      this.#giveBack(bytes, taken);
      if (line.length > maxBytes) {
        throw new DowelError("LIMIT_EXCEEDED", `${this.#what}, byte ${this.#offset}: a line of over ${maxBytes} bytes`);
      }
    }
    return line.replace(/\r?\n$/, "");
  }

  cutShort(): never {
    throw new DowelError("TRANSFER_INCOMPLETE", `${this.#what}: it ends after ${this.#offset} bytes, too early`);
  }

  /** Tells the stream that no more is wanted. */
  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  /** Puts back the bytes from `taken` on of what `some` gave last. */
  #giveBack(bytes: Uint8Array, taken: number): void {
    const back = bytes.length - taken;
    if (back === 0) return;
    this.#chunk = new Uint8Array(bytes.buffer, bytes.byteOffset + taken, back + this.#chunk.length);
    this.#offset -= back;
  }
}
