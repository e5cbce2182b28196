// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { type Consumer, Endpoint, type Output } from "../../loop/endpoint.ts";
import type { EventLoop } from "../../loop/loop.ts";
import { closeDescriptors, type FixedBuffer } from "../../sys/transfer.ts";
import { CountedLink, type CountedOptions } from "../bus/countedlink.ts";
import type { Leave } from "./leave.ts";

export interface GuardedOptions<S> extends CountedOptions {
  /** What the app may hear and see now. */
  readonly leave: Leave<S>;
}

/** One direction of a connection, cut into the messages of its protocol. */
export interface GuardedStream extends Disposable {
  /** Takes bytes; returns the offset of the first one to be shown again. Throws `SOUND_PROTOCOL`. */
  consume(buffer: FixedBuffer, start: number, end: number): number;
  readonly need: number;
  /** Whether a message waits until more is known. */
  readonly waiting: boolean;
  /** Whether no message is half sent. */
  readonly atBorder: boolean;
  readonly descriptors: number[];
}

/** Named by the end that sends. */
export type Direction = "client" | "server";

/** Judges both directions of one connection, as its protocol has them. */
export interface Guard extends Disposable {
  readonly streams: Readonly<Record<Direction, GuardedStream>>;
  /** Finds out what the message of a direction that waits must know. */
  learn(direction: Direction): Promise<void>;
  /** Whether something comes in that needs leave. */
  readonly hears: boolean;
  /** Throws `SOUND_PROTOCOL` where something comes in that may not any more. */
  look(): Promise<void>;
  /** Messages that tell the client what it may not. */
  takeRefusals(): readonly Uint8Array[];
}

/**
 * A client's connection and the one to a server that belongs to it alone. An end that does not take what is sent to it
 * stops the reading of the other. It ends where something goes on that is not allowed any more.
 */
export class GuardedLink<S> extends CountedLink {
  readonly #loop: EventLoop;
  readonly #leave: Leave<S>;
  readonly #guard: Guard;
  readonly #ends: { readonly client: Endpoint; server: Endpoint | undefined };
  #refusals: Uint8Array[] = [];
  #changes: Disposable | undefined;

  /** Owns the descriptor. @param makeGuard gets the ends that it sends to */
  constructor(
    loop: EventLoop,
    clientFd: number,
    options: GuardedOptions<S>,
    makeGuard: (to: Readonly<Record<Direction, Output>>) => Guard,
  ) {
    super(options);
    this.#loop = loop;
    this.#leave = options.leave;
    this.#guard = makeGuard({ client: this.#output("client"), server: this.#output("server") });
    this.#ends = { client: new Endpoint(loop, clientFd, this.#consumer("client")), server: undefined };
    this.#ends.client.setReading(false);
  }

  #output(end: Direction): Output {
    return {
      send: (...bytes) => this.#ends[end]?.send(...bytes),
      sendCopy: (bytes) => this.#ends[end]?.sendCopy(bytes),
    };
  }

  #consumer(direction: Direction): Consumer {
    const stream = this.#guard.streams[direction];
    return {
      consume: this.counted((buffer, start, end) => {
        const used = stream.consume(buffer, start, end);
        if (stream.waiting) void this.#answer(direction);
        return used;
      }),
      get need() {
        return stream.need;
      },
      descriptors: stream.descriptors,
      drained: () => this.settle(),
      ended: () => this.end(),
    };
  }

  /** Takes the connection that a function opens; where it throws, the link ends with its reason. */
  attachFrom(connect: () => number): void {
    this.attempt(() => {
      const fd = connect();
      if (this.disposed) closeDescriptors([fd]);
      else this.#ends.server = new Endpoint(this.#loop, fd, this.#consumer("server"));
      this.settle();
    });
  }

  /** Waits for something that ends the link where it fails. */
  protected async await(work: () => Promise<void>): Promise<void> {
    this.#loop.yield();
    try {
      await work();
    } catch (error) {
      this.end(error);
    }
  }

  /** Learns what a message waits for, and shows it again. */
  #answer(direction: Direction): Promise<void> {
    return this.await(async () => {
      await this.#guard.learn(direction);
      if (this.disposed) return;
      this.#ends[direction]?.offerHeld();
      this.settle();
    });
  }

  async #look(): Promise<void> {
    await this.await(() => this.#guard.look());
  }

  protected override settle(): void {
    const { client, server } = this.#ends;
    if (this.disposed || server === undefined) return;
    const { client: toServer, server: toClient } = this.#guard.streams;
    this.#refusals.push(...this.#guard.takeRefusals());
    while (this.#refusals.length > 0 && toClient.atBorder && !client.blocked) {
      client.sendCopy(this.#refusals.shift() ?? new Uint8Array());
    }
    if (this.#refusals.length > limits.soundRefusals) {
      this.end(new DowelError("SOUND_PROTOCOL", "A client does not read what it is refused"));
      return;
    }
    if (this.#guard.hears) this.#changes ??= this.#leave.changes(() => void this.#look());
    server.setReading(!client.blocked && !toClient.waiting);
    client.setReading(!server.blocked && !toServer.waiting);
  }

  protected override close(): void {
    this.#changes?.[Symbol.dispose]();
    this.#ends.client[Symbol.dispose]();
    this.#ends.server?.[Symbol.dispose]();
    for (const stream of Object.values(this.#guard.streams)) stream[Symbol.dispose]();
    this.#guard[Symbol.dispose]();
  }
}
