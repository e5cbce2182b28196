// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { limits } from "../../../src/base/limits.ts";
import { messageType } from "../../../src/formats/dbus/header.ts";
import { encodeMessage } from "../../../src/formats/dbus/write.ts";
import type { Decision } from "../../../src/session/bus/filter.ts";
import { MessageStream, noTraffic } from "../../../src/session/bus/stream.ts";
import { FixedBuffer } from "../../../src/sys/transfer.ts";

/** A stream whose judge goes by the member's name, and everything that came out of it. */
function makeStream() {
  const sent: number[] = [];
  let settled = false;
  const injected: Uint8Array[] = [];
  const descriptors: number[] = [];
  const stream = new MessageStream(
    {
      decide: ({ member }, _bytes, _start, complete): Decision => {
        if (member === "Look" && !complete) return "whole";
        if (member === "Wait" && !settled) return "wait";
        if (member === "Inject") injected.push(Buffer.from("[injected]"));
        return member === "Drop" ? "drop" : member === "Replace" ? "replace" : "pass";
      },
      replacement: Buffer.from("[replaced]"),
      takeInjected: () => injected.splice(0),
    },
    {
      send: ({ bytes }, start, end, passed) => {
        sent.push(...bytes.subarray(start, end));
        descriptors.push(...passed);
      },
      sendCopy: (bytes) => sent.push(...bytes),
    },
    noTraffic(),
  );
  const feed = (bytes: Uint8Array): number => {
    const buffer = new FixedBuffer(Math.max(1, bytes.length));
    buffer.bytes.set(bytes);
    return stream.consume(buffer, 0, bytes.length);
  };
  return {
    stream,
    feed,
    sent: () => Buffer.from(sent).toString("latin1"),
    settle: () => (settled = true),
    descriptors,
  };
}

function messageOf(member: string, size: number, unixFds?: number): Uint8Array {
  return encodeMessage({
    type: messageType.call,
    serial: 1,
    path: "/",
    member,
    ...(size === 0
      ? {}
      : { signature: "ay", body: (writer) => writer.uint32(size).bytes(new Uint8Array(size).fill(0x2e)) }),
    ...(unixFds === undefined ? {} : { unixFds }),
  });
}

describe("MessageStream", () => {
  test("gives the same however its bytes are cut", () => {
    const one = fc.tuple(fc.constantFrom("Pass", "Drop", "Replace", "Look", "Inject"), fc.nat(300));
    fc.assert(
      fc.property(fc.array(one, { maxLength: 8 }), fc.array(fc.integer({ min: 1, max: 200 })), (parts, cuts) => {
        const messages = parts.map(([member, size]) => messageOf(member, size));
        const expected = parts.map(([member], index) => {
          if (member === "Drop") return "";
          if (member === "Replace") return "[replaced]";
          const text = Buffer.from(messages[index] ?? []).toString("latin1");
          return member === "Inject" ? `${text}[injected]` : text;
        });
        const { feed, sent } = makeStream();
        let held = Buffer.alloc(0);
        let rest = Buffer.concat(messages);
        for (const cut of [...cuts, rest.length]) {
          held = Buffer.concat([held, rest.subarray(0, cut)]);
          rest = rest.subarray(cut);
          held = held.subarray(feed(held));
        }
        expect(sent()).toBe(expected.join(""));
        expect(held).toHaveLength(0);
      }),
    );
  });

  test("passes a long body as it comes, without waiting for its end", () => {
    const { stream, feed, sent } = makeStream();
    const bytes = messageOf("Pass", 100_000);
    expect(feed(bytes.subarray(0, 1000))).toBe(1000);
    expect(sent()).toHaveLength(1000);
    expect(stream.atBorder).toBe(false);
    feed(bytes.subarray(1000));
    expect(stream.atBorder).toBe(true);
  });

  test("waits for its judge, and goes on where it stopped", () => {
    const { stream, feed, sent, settle } = makeStream();
    const both = Buffer.concat([messageOf("Pass", 0), messageOf("Wait", 9)]);
    const used = feed(both);
    expect([used, stream.waiting]).toEqual([messageOf("Pass", 0).length, true]);
    settle();
    expect(feed(both.subarray(used))).toBe(both.length - used);
    expect(sent()).toBe(both.toString("latin1"));
  });

  test("gives each message its descriptors, also where they come after its first bytes", () => {
    const { stream, feed, descriptors } = makeStream();
    stream.descriptors.push(101, 102);
    const first = messageOf("Pass", 4, 2);
    expect(feed(first)).toBe(first.length);
    expect(descriptors.splice(0)).toEqual([101, 102]);
    const late = messageOf("Pass", 40, 1);
    expect(feed(late.subarray(0, late.length - 8))).toBe(0);
    expect(stream.need).toBe(late.length);
    stream.descriptors.push(103);
    expect(feed(late)).toBe(late.length);
    expect(descriptors).toEqual([103]);
  });

  test("refuses descriptors that no message announces, and a message without those that it announces", () => {
    const unannounced = makeStream();
    unannounced.stream.descriptors.push(101);
    expect(() => unannounced.feed(messageOf("Pass", 4))).toThrow("Descriptors came that do not fit");
    expect(() => makeStream().feed(messageOf("Pass", 4, 3))).toThrow("Descriptors came that do not fit");
    const heap = makeStream();
    heap.stream.descriptors.push(...Array(limits.busDescriptors + 1).keys());
    expect(() => heap.feed(messageOf("Pass", 4).subarray(0, 8))).toThrow("Descriptors came that do not fit");
  });

  test("does not gather a body that is too large to be looked at", () => {
    const signed = encodeMessage({ type: 1, serial: 1, path: "/", member: "Look", signature: "ay" });
    new DataView(signed.buffer).setUint32(4, limits.busWholeMessageBytes, true);
    expect(() => makeStream().feed(signed)).toThrow("A message to look at has");
  });
});
