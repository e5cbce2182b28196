// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { fixedBytes, MessageHeader } from "../../formats/dbus/header.ts";
import type { Output } from "../../loop/endpoint.ts";
import { closeDescriptors, type FixedBuffer } from "../../sys/transfer.ts";
import type { Decision } from "./filter.ts";

/** What decides about a direction's messages. */
export interface Judge {
  decide(header: MessageHeader, bytes: Uint8Array, start: number, complete: boolean): Decision;
  /** What goes on instead of the message that was just decided upon. */
  readonly replacement: Uint8Array;
  /** Takes a whole message that is for the gateway itself, and owns its descriptors. */
  take?(header: MessageHeader, bytes: Uint8Array, start: number, descriptors: readonly number[]): void;
  /** What must go on behind the message that ends now. */
  takeInjected(): readonly Uint8Array[];
}

/** What went through a socket. */
export interface Traffic {
  /** Open now. */
  connections: number;
  /** Since the start: all that came, in both directions. */
  messages: number;
  bytes: number;
  denied: number;
}

export function noTraffic(): Traffic {
  return { connections: 0, messages: 0, bytes: 0, denied: 0 };
}

const noDescriptors: readonly number[] = [];

/**
 * Cuts one direction of a connection into messages and passes on what its judge lets through. A body that need not be
 * looked at is never kept: it goes on as it comes, in one piece with its neighbours.
 */
export class MessageStream {
  readonly #header = new MessageHeader();
  readonly #judge: Judge;
  readonly #output: Output;
  readonly #traffic: Traffic;
  /** Received and not yet part of a message. */
  readonly descriptors: number[] = [];
  /** Bytes that must be there from the first one not consumed, before it can go on. */
  need = fixedBytes;
  /** Whether it waits for the judge, not for bytes. */
  waiting = false;
  /** Bytes left of the message that is passing or being dropped. */
  #left = 0;
  #passing = true;
  #runStart = -1;
  #runDescriptors = noDescriptors;

  constructor(judge: Judge, output: Output, traffic: Traffic) {
    this.#judge = judge;
    this.#output = output;
    this.#traffic = traffic;
  }

  /** Whether nothing is half done. */
  get atBorder(): boolean {
    return this.#left === 0;
  }

  /** How many of the next bytes belong to a message that goes on. */
  get unseen(): number {
    return this.#passing ? this.#left : 0;
  }

  /** So many of them have gone on by another way. */
  passed(count: number): void {
    this.#left -= count;
    if (this.#left > 0) return;
    for (const bytes of this.#judge.takeInjected()) this.#output.sendCopy(bytes);
  }

  /**
   * Takes bytes of the buffer; returns the offset of the first one that must be shown again, with `need` bytes there or,
   * where `waiting`, when the judge can say more. Throws `DBUS_INVALID` or `LIMIT_EXCEEDED`.
   */
  consume(buffer: FixedBuffer, start: number, end: number): number {
    let at = start;
    this.waiting = false;
    this.need = fixedBytes;
    try {
      while (at < end) {
        if (this.#left === 0 && !this.#begin(buffer, at, end)) break;
        const count = Math.min(this.#left, end - at);
        if (this.#passing && this.#runStart < 0) this.#runStart = at;
        at += count;
        this.#left -= count;
        if (this.#left === 0) this.#finish(buffer, at);
      }
    } finally {
      this.#flush(buffer, at);
    }
    if (at === end && this.descriptors.length > 0) this.#refuseDescriptors("no message announces");
    return at;
  }

  /** Starts with the message at `at`; false where more bytes or a decision are needed first. */
  #begin(buffer: FixedBuffer, at: number, end: number): boolean {
    const { bytes } = buffer;
    const header = this.#header;
    const available = end - at;
    if (available < fixedBytes) return this.#wants(fixedBytes);
    header.measure(bytes, at);
    if (available < header.headerLength) return this.#wants(header.headerLength);
    header.read(bytes, at);
    const complete = available >= header.length;
    if (header.unixFds > this.descriptors.length) {
      if (complete) this.#refuseDescriptors(`fewer came than the ${header.unixFds} that a message announces, or`);
      return this.#wantsWhole();
    }
    const decision = this.#judge.decide(header, bytes, at, complete);
    if (decision === "whole") return this.#wantsWhole();
    if (decision === "wait") {
      this.waiting = true;
      return false;
    }
    this.#act(decision, buffer, at);
    return true;
  }

  #wants(bytes: number): false {
    this.need = bytes;
    if (this.descriptors.length > limits.busDescriptors) this.#refuseDescriptors("more came than");
    return false;
  }

  #wantsWhole(): false {
    if (this.#header.length > limits.busWholeMessageBytes) {
      throw new DowelError("LIMIT_EXCEEDED", `A message to look at has ${this.#header.length} bytes`);
    }
    return this.#wants(this.#header.length);
  }

  #refuseDescriptors(reason: string): never {
    throw new DowelError("DBUS_INVALID", `Descriptors came that do not fit: ${reason} a message may have`);
  }

  #act(decision: Decision, buffer: FixedBuffer, at: number): void {
    const taken = this.#header.unixFds === 0 ? noDescriptors : this.descriptors.splice(0, this.#header.unixFds);
    this.#passing = decision === "pass";
    this.#left = this.#header.length;
    this.#traffic.messages++;
    if (!this.#passing || taken.length > 0) this.#flush(buffer, at);
    if (this.#passing) this.#runDescriptors = taken.length > 0 ? taken : this.#runDescriptors;
    else if (decision === "take") this.#judge.take?.(this.#header, buffer.bytes, at, taken);
    else closeDescriptors(taken);
    if (decision === "replace") this.#output.sendCopy(this.#judge.replacement);
  }

  #finish(buffer: FixedBuffer, at: number): void {
    for (const bytes of this.#judge.takeInjected()) {
      this.#flush(buffer, at);
      this.#output.sendCopy(bytes);
    }
  }

  #flush(buffer: FixedBuffer, end: number): void {
    if (this.#runStart >= 0 && end > this.#runStart) {
      this.#output.send(buffer, this.#runStart, end, this.#runDescriptors);
    }
    this.#runStart = -1;
    this.#runDescriptors = noDescriptors;
  }

  [Symbol.dispose](): void {
    closeDescriptors(this.descriptors.splice(0));
  }
}
