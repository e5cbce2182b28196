// SPDX-License-Identifier: Apache-2.0
import { closeSync } from "node:fs";
import { pollFor } from "../sys/epoll.ts";
import { giveUnseen, takeBack, takeUnseen } from "../sys/splice.ts";
import { broken, closeDescriptors, FixedBuffer, receive, transmit, wouldBlock } from "../sys/transfer.ts";
import type { EventLoop, Watch } from "./loop.ts";

/** What a socket buffer holds by default is less than this, so that one call takes all there is. */
const sharedBytes = 256 * 1024;
/** Everything is read into here; only what is left of a message that has not all come is copied. */
const shared = new FixedBuffer(sharedBytes);

/** What is read first; most messages are shorter, and of one that is longer the rest may go on unseen. */
const firstBytes = 8 * 1024;
/** From this on it costs less to hand pages on than to copy what is on them. */
const unseenBytes = 16 * 1024;
/** How often is read for one event, so that one busy socket does not keep the loop from all others. */
const readsPerEvent = 4;

/** Who uses what an endpoint receives. */
export interface Consumer {
  /** How many of the next bytes may go on to another endpoint without being looked at; none where it is left out. */
  unseen?(): number;
  /** Lets them, or some of them, go on from the descriptor to that endpoint; returns what its `passUnseen` does. */
  passUnseen?(from: number): number;
  /** Takes bytes; returns the offset of the first one that must be offered again. */
  consume(buffer: FixedBuffer, start: number, end: number): number;
  /** Bytes that must be there before it is worth offering them again. */
  readonly need: number;
  /** Where received descriptors go. */
  readonly descriptors: number[];
  /** The endpoint's queue has become empty. */
  drained(): void;
  /** Nothing more comes. */
  ended(): void;
}

/** Where a stream's bytes go. What is sent is sent or copied before the call returns; descriptors change their owner. */
export interface Output {
  send(buffer: FixedBuffer, start: number, end: number, descriptors: readonly number[]): void;
  sendCopy(bytes: Uint8Array): void;
}

interface Queued {
  readonly buffer: FixedBuffer;
  start: number;
  descriptors: readonly number[];
}

/** One connected socket: reads into shared memory, writes at once and queues what does not go. Owns the descriptor. */
export class Endpoint implements Output, Disposable {
  readonly #fd: number;
  readonly #consumer: Consumer;
  readonly #loop: EventLoop;
  #watch: Watch | undefined;
  #mask: number = pollFor.input;
  #reading = true;
  #queue: Queued[] = [];
  #broken = false;
  #held: FixedBuffer | undefined;
  #heldBytes = 0;
  #closed = false;

  constructor(loop: EventLoop, fd: number, consumer: Consumer) {
    this.#fd = fd;
    this.#consumer = consumer;
    this.#loop = loop;
    this.#watch = loop.watch(fd, this.#mask, this.#onEvents);
  }

  /** Whether something waits to be written. */
  get blocked(): boolean {
    return this.#queue.length > 0;
  }

  /** Reads or leaves what comes with the kernel, whose buffer then fills and stops the sender. */
  setReading(reading: boolean): void {
    if (this.#reading === reading || this.#closed) return;
    this.#reading = reading;
    this.#apply();
  }

  /** Offers what is held once more. */
  offerHeld(): void {
    // Not by way of the shared memory: another endpoint may be using it at this moment.
    if (!this.#closed && this.#held !== undefined) this.#offer(this.#held, this.#heldBytes);
  }

  send(buffer: FixedBuffer, start: number, end: number, descriptors: readonly number[]): void {
    let from = start;
    let unsent = descriptors;
    if (!this.blocked && !this.#broken && !this.#closed) {
      const count = transmit(this.#fd, buffer.address + start, end - start, descriptors);
      // The other end is gone; what it wrote before is still to be read, and then comes its end.
      if (count === broken) this.#broken = true;
      if (count > 0) {
        closeDescriptors(descriptors);
        unsent = [];
        from += count;
      }
    }
    if (this.#broken || this.#closed) closeDescriptors(unsent);
    else if (from < end) this.#enqueue(buffer.bytes.subarray(from, end), unsent);
  }

  /** Whether `passUnseen` may be called. */
  get takesUnseen(): boolean {
    return !this.blocked && !this.#broken && !this.#closed;
  }

  /** Sends at most so many bytes of another socket, and keeps what does not go. Returns as `receive` does. */
  passUnseen(from: number, length: number): number {
    const count = takeUnseen(from, length);
    for (let left = count; left > 0; ) {
      const sent = giveUnseen(this.#fd, left);
      if (sent > 0) {
        left -= sent;
      } else {
        const rest = takeBack(left);
        if (sent === broken) this.#broken = true;
        else this.#keep(rest, []);
        left = 0;
      }
    }
    return count;
  }

  sendCopy(bytes: Uint8Array): void {
    const copy = new FixedBuffer(bytes.length);
    copy.bytes.set(bytes);
    this.send(copy, 0, bytes.length, []);
  }

  #enqueue(bytes: Uint8Array, descriptors: readonly number[]): void {
    const buffer = new FixedBuffer(bytes.length);
    buffer.bytes.set(bytes);
    this.#keep(buffer, descriptors);
  }

  #keep(buffer: FixedBuffer, descriptors: readonly number[]): void {
    this.#queue.push({ buffer, start: 0, descriptors });
    this.#apply();
  }

  #apply(): void {
    const mask = (this.#reading ? pollFor.input : 0) | (this.blocked ? pollFor.output : 0);
    if (this.#watch === undefined && mask !== 0) this.#watch = this.#loop.watch(this.#fd, mask, this.#onEvents);
    else if (mask !== this.#mask) this.#watch?.update(mask);
    this.#mask = mask;
  }

  readonly #onEvents = (mask: number): void => {
    if ((mask & pollFor.output) !== 0) this.#drain();
    if ((mask & (pollFor.input | pollFor.hangup | pollFor.error)) === 0 || this.#closed) return;
    if (this.#reading) this.#read();
    else this.#unwatch();
  };

  /** A hang-up would be told for ever while nobody reads. What came before it is read when reading goes on. */
  #unwatch(): void {
    this.#discard();
    this.#watch?.[Symbol.dispose]();
    this.#watch = undefined;
    this.#mask = 0;
  }

  #drain(): void {
    while (this.#queue.length > 0) {
      const first = this.#queue[0] as Queued;
      const { buffer, start, descriptors } = first;
      const count = transmit(this.#fd, buffer.address + start, buffer.bytes.length - start, descriptors);
      if (count === wouldBlock) break;
      closeDescriptors(descriptors);
      first.descriptors = [];
      if (count === broken) this.#discard();
      else first.start += count;
      if (first.start === buffer.bytes.length) this.#queue.shift();
    }
    if (this.blocked) return;
    this.#apply();
    this.#consumer.drained();
  }

  #discard(): void {
    this.#broken = true;
    for (const { descriptors } of this.#queue.splice(0)) closeDescriptors(descriptors);
  }

  #read(): void {
    let most = firstBytes;
    for (let reads = 0; reads < readsPerEvent && this.#reading && !this.#closed; reads++) {
      const unseen = this.#held === undefined ? (this.#consumer.unseen?.() ?? 0) : 0;
      const passes = unseen >= unseenBytes;
      const count = passes ? (this.#consumer.passUnseen?.(this.#fd) ?? 0) : this.#readSeen(most);
      if (count <= 0 && count !== wouldBlock) this.#consumer.ended();
      // Less than was asked for: that was all there is. Behind a message that went unseen comes its answer first.
      if (passes || count < most) return;
      most = sharedBytes;
    }
  }

  #readSeen(most: number): number {
    const { buffer, length } = this.#load();
    const room = this.#held === undefined ? most : buffer.bytes.length - length;
    const count = receive(this.#fd, buffer.address + length, room, this.#consumer.descriptors);
    if (count > 0) this.#offer(buffer, length + count);
    return count;
  }

  /** Where to read to: what is held lies at its start. */
  #load(): { readonly buffer: FixedBuffer; readonly length: number } {
    if (this.#held === undefined) return { buffer: shared, length: 0 };
    const { need } = this.#consumer;
    if (need > sharedBytes && this.#held.bytes.length >= need) return { buffer: this.#held, length: this.#heldBytes };
    const buffer = need > sharedBytes ? new FixedBuffer(need) : shared;
    buffer.bytes.set(this.#held.bytes.subarray(0, this.#heldBytes));
    return { buffer, length: this.#heldBytes };
  }

  #offer(buffer: FixedBuffer, end: number): void {
    const used = this.#consumer.consume(buffer, 0, end);
    this.#heldBytes = end - used;
    if (this.#heldBytes === 0 || this.#closed) {
      this.#held = undefined;
    } else if (buffer === shared || used > 0) {
      this.#held = new FixedBuffer(this.#heldBytes);
      this.#held.bytes.set(buffer.bytes.subarray(used, end));
    } else {
      this.#held = buffer;
    }
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#unwatch();
    closeSync(this.#fd);
  }
}
