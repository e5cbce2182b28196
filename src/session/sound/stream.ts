// SPDX-License-Identifier: Apache-2.0
import type { Output } from "../../loop/endpoint.ts";
import { closeDescriptors, type FixedBuffer } from "../../sys/transfer.ts";
import { type Command, frameBytes, readCommand, readFrame } from "./pulse.ts";

/** What becomes of a command: `wait` until more is known, or another packet goes on in its place. */
export type Fate = "pass" | "drop" | "wait" | Uint8Array;

/** Cuts one direction of a connection into packets; sound itself goes on as it comes, and descriptors nowhere. */
export class PulseStream implements Disposable {
  readonly #judge: (command: Command, bytes: Uint8Array, at: number) => Fate;
  readonly #output: Output;
  /** Received, and nobody's. */
  readonly descriptors: number[] = [];
  #left = 0;
  need = frameBytes;
  waiting = false;
  packets = 0;

  constructor(judge: (command: Command, bytes: Uint8Array, at: number) => Fate, output: Output) {
    this.#judge = judge;
    this.#output = output;
  }

  /** Whether nothing is half done. */
  get atBorder(): boolean {
    return this.#left === 0;
  }

  /** Takes bytes; returns the offset of the first one to be shown again. Throws `SOUND_PROTOCOL`. */
  consume(buffer: FixedBuffer, start: number, end: number): number {
    closeDescriptors(this.descriptors.splice(0));
    let [at, from] = [start, start];
    this.waiting = false;
    this.need = frameBytes;
    while (at < end) {
      const passed = Math.min(this.#left, end - at);
      at += passed;
      this.#left -= passed;
      if (this.#left > 0 || at === end) break;
      const found = this.#next(buffer, at, end);
      if (found === undefined) break;
      this.packets++;
      if (found.fate === "pass") {
        this.#left = found.length;
        continue;
      }
      this.#send(buffer, from, at);
      if (found.fate instanceof Uint8Array) this.#output.sendCopy(found.fate);
      at += found.length;
      from = at;
    }
    this.#send(buffer, from, at);
    return at;
  }

  #send(buffer: FixedBuffer, from: number, to: number): void {
    if (to > from) this.#output.send(buffer, from, to, []);
  }

  /** What becomes of the packet at an offset; undefined where more bytes or an answer are needed. */
  #next(buffer: FixedBuffer, at: number, end: number): { readonly fate: Fate; readonly length: number } | undefined {
    if (end - at < frameBytes) return undefined;
    const { length, isCommand } = readFrame(buffer.bytes, at);
    if (!isCommand) return { fate: "pass", length };
    if (end - at < length) {
      this.need = length;
      return undefined;
    }
    const fate = this.#judge(readCommand(buffer.bytes, at, length), buffer.bytes, at);
    this.waiting = fate === "wait";
    return this.waiting ? undefined : { fate, length };
  }

  [Symbol.dispose](): void {
    closeDescriptors(this.descriptors.splice(0));
  }
}
