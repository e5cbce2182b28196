// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { closeSync, openSync } from "node:fs";
import { DowelError } from "../../../src/base/errors.ts";
import { limits } from "../../../src/base/limits.ts";
import { write } from "../../../src/formats/pod/write.ts";
import { encodeMessage, headerBytes, type Message } from "../../../src/session/pipewire/message.ts";
import { PipewireStream, type Verdict } from "../../../src/session/pipewire/stream.ts";
import { FixedBuffer } from "../../../src/sys/transfer.ts";

/** What went on: bytes, and how many descriptors with each piece. */
class Sink {
  readonly pieces: { readonly bytes: Buffer; readonly descriptors: number }[] = [];

  send(buffer: FixedBuffer, start: number, end: number, descriptors: readonly number[]): void {
    for (const fd of descriptors) closeSync(fd);
    this.pieces.push({ bytes: Buffer.from(buffer.bytes.slice(start, end)), descriptors: descriptors.length });
  }

  sendCopy(bytes: Uint8Array): void {
    this.pieces.push({ bytes: Buffer.from(bytes), descriptors: 0 });
  }

  get bytes(): Buffer {
    return Buffer.concat(this.pieces.map((piece) => piece.bytes));
  }
}

function bufferOf(bytes: Uint8Array): FixedBuffer {
  const buffer = new FixedBuffer(bytes.length);
  buffer.bytes.set(bytes);
  return buffer;
}

const message = (id: number, descriptors = 0): Uint8Array =>
  encodeMessage(id, 1, id, write.struct(write.int(id), write.text("x".repeat(id))), new Uint8Array(), descriptors);

const open = (count: number): number[] => Array.from({ length: count }, () => openSync("/dev/null", "r"));

describe("PipewireStream", () => {
  const messages = [1, 20, 3, 7].map((id) => message(id));
  const instead = message(5);
  const judge = ({ id }: Message): Verdict => (id === 3 ? instead : "pass");
  const expected = Buffer.concat([...messages.slice(0, 2), instead, ...messages.slice(3)]);

  test("says the same wherever what comes is cut", () => {
    const all = Buffer.concat(messages);
    for (let cut = 0; cut <= all.length; cut++) {
      const sink = new Sink();
      using stream = new PipewireStream(judge, sink);
      const used = stream.consume(bufferOf(all.subarray(0, cut)), 0, cut);
      const rest = all.subarray(used);
      expect(stream.consume(bufferOf(rest), 0, rest.length)).toBe(rest.length);
      expect(sink.bytes.equals(expected)).toBe(true);
    }
  });

  test("goes on byte by byte", () => {
    const sink = new Sink();
    using stream = new PipewireStream(judge, sink);
    let held = Buffer.alloc(0);
    for (const byte of Buffer.concat(messages)) {
      held = Buffer.concat([held, Buffer.from([byte])]);
      const used = stream.consume(bufferOf(held), 0, held.length);
      expect(stream.need).toBeLessThanOrEqual(headerBytes + 64);
      held = held.subarray(used);
    }
    expect(sink.bytes.equals(expected)).toBe(true);
  });

  test("shows a message that waits again, and nothing behind it before", () => {
    const sink = new Sink();
    let known = false;
    using stream = new PipewireStream(({ id }) => (id === 20 && !known ? "wait" : "pass"), sink);
    const all = Buffer.concat(messages);
    const used = stream.consume(bufferOf(all), 0, all.length);
    expect([used, stream.waiting]).toEqual([messages[0]?.length ?? 0, true]);
    known = true;
    stream.consume(bufferOf(all.subarray(used)), 0, all.length - used);
    expect([sink.bytes.equals(all), stream.waiting]).toEqual([true, false]);
  });

  test("sends descriptors with the message that has them, as many at once as its reader takes", () => {
    const sink = new Sink();
    using stream = new PipewireStream(() => "pass", sink);
    stream.descriptors.push(...open(61));
    const all = Buffer.concat([message(1), message(2, 60), message(3, 1), message(4)]);
    stream.consume(bufferOf(all), 0, all.length);
    expect(sink.pieces.map((piece) => piece.descriptors)).toEqual([0, 28, 28, 4, 1, 0]);
    expect(sink.bytes.equals(all)).toBe(true);
  });

  test("closes the descriptors of what does not go on", () => {
    const sink = new Sink();
    using stream = new PipewireStream(() => instead, sink);
    const [fd = -1] = open(1);
    stream.descriptors.push(fd);
    const bytes = message(1, 1);
    stream.consume(bufferOf(bytes), 0, bytes.length);
    expect(() => closeSync(fd)).toThrow();
  });

  test.each([
    ["fewer descriptors than a message has", message(1, 2), 1],
    ["more descriptors than a message may have", message(1, 85), 85],
    ["descriptors that no message has", message(1), limits.pipewireDescriptorsWaiting + 1],
    ["a message that is too long", encodeMessage(0, 1, 0, new Uint8Array(limits.pipewireMessageBytes)), 0],
  ])("ends with %s", (_name, bytes, count) => {
    using stream = new PipewireStream(() => "pass", new Sink());
    stream.descriptors.push(...open(count));
    expect(() => stream.consume(bufferOf(bytes), 0, bytes.length)).toThrow(DowelError);
  });

  test("does not wait for the rest of a message that says it is too long", () => {
    using stream = new PipewireStream(() => "pass", new Sink());
    const head = Buffer.from("00000000ffffff0100000000000000000", "hex").subarray(0, 16);
    expect(() => stream.consume(bufferOf(head), 0, head.length)).toThrow(DowelError);
  });
});
