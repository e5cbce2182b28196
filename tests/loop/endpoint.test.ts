// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { closeSync, readSync } from "node:fs";
import { type Consumer, Endpoint } from "../../src/loop/endpoint.ts";
import { EventLoop } from "../../src/loop/loop.ts";
import { pollFor } from "../../src/sys/epoll.ts";
import { neverBlock, socketPair } from "../../src/sys/sockets.ts";
import { FixedBuffer, receive, transmit } from "../../src/sys/transfer.ts";

function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * 7 + (index >> 8)) & 0xff);
}

function load(bytes: Uint8Array): FixedBuffer {
  const buffer = new FixedBuffer(bytes.length);
  buffer.bytes.set(bytes);
  return buffer;
}

/** Two endpoints between a sender and a receiver; so many bytes are looked at, and all others go unseen. */
class Relay implements Disposable {
  readonly loop = new EventLoop();
  readonly sender: number;
  readonly receiver: number;
  readonly #open: Set<number>;
  readonly #in: Endpoint;
  readonly #out: Endpoint;
  seen = 0;
  unseen: number;
  ended = false;
  wasBlocked = false;

  constructor(unseen: number) {
    this.unseen = unseen;
    const [sender, from] = socketPair("stream");
    const [to, receiver] = socketPair("stream");
    for (const fd of [sender, from, to, receiver]) neverBlock(fd);
    [this.sender, this.receiver] = [sender, receiver];
    this.#open = new Set([sender, receiver]);
    const silent: Consumer = {
      consume: (_buffer, _start, end) => end,
      need: 1,
      descriptors: [],
      drained: () => this.#in.setReading(true),
      ended: () => undefined,
    };
    this.#out = new Endpoint(this.loop, to, silent);
    this.#in = new Endpoint(this.loop, from, {
      consume: (buffer, start, end) => {
        this.seen += end - start;
        this.#out.send(buffer, start, end, []);
        return end;
      },
      unseen: () => (this.seen > 0 && this.#out.takesUnseen ? this.unseen : 0),
      passUnseen: (fd) => {
        const count = this.#out.passUnseen(fd, this.unseen);
        if (count > 0) this.unseen -= count;
        this.wasBlocked ||= this.#out.blocked;
        this.#in.setReading(!this.#out.blocked);
        return count;
      },
      need: 1,
      descriptors: [],
      drained: () => undefined,
      ended: () => {
        this.ended = true;
        this.loop.stop();
      },
    });
  }

  /** Sends all, and reads what comes out at once or only when the relay can give on nothing more. */
  async pass(bytes: Uint8Array, lazily: boolean): Promise<Uint8Array> {
    const source = load(bytes);
    const result = new FixedBuffer(bytes.length);
    let sent = 0;
    let got = 0;
    let reads = !lazily;
    const write = (): void => {
      const count = transmit(this.sender, source.address + sent, bytes.length - sent, []);
      if (count > 0) sent += count;
      if (sent === bytes.length) writing[Symbol.dispose]();
    };
    const read = (): void => {
      reads ||= this.#out.blocked;
      if (reads) got += readSync(this.receiver, result.bytes, got, bytes.length - got, null);
      if (got === bytes.length) this.loop.stop();
    };
    const writing = this.loop.watch(this.sender, pollFor.output, write);
    using _reading = this.loop.watch(this.receiver, pollFor.input, read);
    await this.loop.run(AbortSignal.timeout(60_000));
    writing[Symbol.dispose]();
    return result.bytes.subarray(0, got);
  }

  closeSender(): void {
    closeSync(this.sender);
    this.#open.delete(this.sender);
  }

  closeReceiver(): void {
    closeSync(this.receiver);
    this.#open.delete(this.receiver);
  }

  [Symbol.dispose](): void {
    this.#in[Symbol.dispose]();
    this.#out[Symbol.dispose]();
    for (const fd of this.#open) closeSync(fd);
    this.loop[Symbol.dispose]();
  }
}

describe("Endpoint.passUnseen()", () => {
  const bytes = pattern(1_500_000);

  for (const [who, lazily] of [
    ["reads at once", false],
    ["reads late", true],
  ] as const) {
    test(`lets a long body go on as it is to who ${who}`, async () => {
      using relay = new Relay(bytes.length);
      expect(Buffer.compare(await relay.pass(bytes, lazily), bytes)).toBe(0);
      expect(relay.seen).toBeLessThan(bytes.length / 10);
      if (lazily) expect(relay.wasBlocked).toBe(true);
    });
  }

  test("goes on to the end where the receiver goes away", async () => {
    using relay = new Relay(bytes.length);
    const source = load(bytes.subarray(0, 100_000));
    expect(transmit(relay.sender, source.address, 100_000, [])).toBe(100_000);
    relay.closeReceiver();
    relay.closeSender();
    await relay.loop.run(AbortSignal.timeout(60_000));
    expect(relay.ended).toBe(true);
  });

  test("closes descriptors that come where none can be announced", async () => {
    using relay = new Relay(bytes.length);
    const [kept, given] = socketPair("stream");
    const source = load(bytes.subarray(0, 100_000));
    transmit(relay.sender, source.address, 10_000, []);
    transmit(relay.sender, source.address + 10_000, 90_000, [given]);
    closeSync(given);
    const result = new FixedBuffer(100_000);
    let got = 0;
    const descriptors: number[] = [];
    using _reading = relay.loop.watch(relay.receiver, pollFor.input, () => {
      got += Math.max(0, receive(relay.receiver, result.address + got, 100_000 - got, descriptors));
      if (got === 100_000) relay.loop.stop();
    });
    await relay.loop.run(AbortSignal.timeout(60_000));
    expect(Buffer.compare(result.bytes, source.bytes)).toBe(0);
    expect(descriptors).toEqual([]);
    neverBlock(kept);
    // All other ends are closed: nobody could write to it any more.
    expect(readSync(kept, new Uint8Array(1))).toBe(0);
    closeSync(kept);
  });
});
