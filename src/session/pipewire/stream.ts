// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import type { Output } from "../../loop/endpoint.ts";
import { closeDescriptors, type FixedBuffer } from "../../sys/transfer.ts";
import { headerBytes, type Message, readMessage } from "./message.ts";

/** What becomes of a message: it waits until more is known, or other bytes go on in its place. */
export type Verdict = "pass" | "wait" | Uint8Array;

/** PipeWire's ends have room for this many descriptors in one receipt; with more they lose some. */
const descriptorsAtOnce = 28;
/** How many bytes go with each such bunch but the last. */
const bytesWithBunch = 4;

/** Cuts one direction of a connection into messages, with the descriptors of each, and passes on what its judge lets through. */
export class PipewireStream implements Disposable {
  readonly #judge: (message: Message) => Verdict;
  readonly #output: Output;
  /** Received and not yet part of a message. */
  readonly descriptors: number[] = [];
  need = headerBytes;
  waiting = false;
  /** Messages go on whole. */
  readonly atBorder = true;
  #runStart = -1;

  constructor(judge: (message: Message) => Verdict, output: Output) {
    this.#judge = judge;
    this.#output = output;
  }

  /** Takes bytes; returns the offset of the first one to be shown again. Throws `SOUND_PROTOCOL`. */
  consume(buffer: FixedBuffer, start: number, end: number): number {
    let at = start;
    this.waiting = false;
    this.need = headerBytes;
    try {
      while (end - at >= headerBytes) {
        const message = readMessage(buffer.bytes, at);
        if (end - at < message.length) {
          this.need = message.length;
          break;
        }
        if (!this.#act(buffer, message)) break;
        at += message.length;
      }
    } finally {
      this.#flush(buffer, at);
    }
    if (this.descriptors.length > limits.pipewireDescriptorsWaiting) throw unannounced();
    return at;
  }

  /** False where the message waits. */
  #act(buffer: FixedBuffer, message: Message): boolean {
    if (message.descriptors > this.descriptors.length) throw unannounced();
    const verdict = this.#judge(message);
    this.waiting = verdict === "wait";
    if (verdict === "wait") return false;
    if (verdict === "pass" && message.descriptors === 0) {
      if (this.#runStart < 0) this.#runStart = message.at;
      return true;
    }
    this.#flush(buffer, message.at);
    const own = this.descriptors.splice(0, message.descriptors);
    if (verdict === "pass") {
      this.#sendWith(buffer, message, own);
    } else {
      closeDescriptors(own);
      this.#output.sendCopy(verdict);
    }
    return true;
  }

  #sendWith(buffer: FixedBuffer, { at, length }: Message, descriptors: number[]): void {
    let from = at;
    while (descriptors.length > descriptorsAtOnce) {
      this.#output.send(buffer, from, from + bytesWithBunch, descriptors.splice(0, descriptorsAtOnce));
      from += bytesWithBunch;
    }
    this.#output.send(buffer, from, at + length, descriptors);
  }

  #flush(buffer: FixedBuffer, end: number): void {
    if (this.#runStart >= 0 && end > this.#runStart) this.#output.send(buffer, this.#runStart, end, []);
    this.#runStart = -1;
  }

  [Symbol.dispose](): void {
    closeDescriptors(this.descriptors.splice(0));
  }
}

function unannounced(): DowelError {
  return new DowelError("SOUND_PROTOCOL", "Descriptors and messages for PipeWire do not fit together");
}
