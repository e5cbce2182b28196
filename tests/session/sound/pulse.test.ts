// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { DowelError } from "../../../src/base/errors.ts";
import {
  frameBytes,
  needsOf,
  readFrame,
  refusal,
  sourceTold,
  withoutSharedMemory,
} from "../../../src/session/sound/pulse.ts";
import { packet, properties, read } from "./packets.ts";

const opening = (...texts: (number | string | Buffer)[]) =>
  read(packet(5, 7, Buffer.from("a\0\0\0\0\0\0m\x01\0"), -1, ...texts));

/** What would reach others, or the server itself, by its number. */
const attacks: ReadonlyMap<number, string> = new Map([
  ...([
    [7, "exit"],
    [27, "who a client is"],
    [28, "all clients"],
  ] as const),
  ...([
    [30, "all that plays"],
    [32, "all that records"],
    [34, "all samples"],
    [36, "a sink's volume"],
    [38, "a source's volume"],
  ] as const),
  ...([
    [39, "a sink's silence"],
    [40, "a source's silence"],
    [44, "default sink"],
    [45, "default source"],
  ] as const),
  ...([
    [48, "kill a client"],
    [49, "kill what plays"],
    [50, "kill what records"],
    [51, "load a module"],
  ] as const),
  ...([
    [52, "unload a module"],
    [53, "autoload"],
    [67, "move what plays"],
    [68, "move what records"],
  ] as const),
  ...([
    [70, "suspend a sink"],
    [71, "suspend a source"],
    [87, "an extension"],
    [90, "a card's profile"],
  ] as const),
  ...([
    [96, "a sink's port"],
    [97, "a source's port"],
    [100, "a port's latency"],
    [101, "srbchannel"],
  ] as const),
  ...([
    [102, "no srbchannel"],
    [103, "memory of a descriptor"],
    [104, "an object's message"],
  ] as const),
]);

describe("needsOf()", () => {
  test("lets apps play, and refuses what changes the server", () => {
    for (const number of [3, 8, 9, 20, 22, 24, 41]) expect(needsOf(read(packet(number, 1)))).toBe("nothing");
    for (const number of [...attacks.keys(), 500]) {
      expect(needsOf(read(packet(number, 1)))).toBe("refused");
    }
  });

  test("tells the microphone from what apps play, by whatever says so", () => {
    expect(needsOf(opening("alsa_input.usb"))).toBe("microphone");
    expect(needsOf(opening(Buffer.from("N")))).toBe("microphone");
    for (const name of ["alsa_output.usb.monitor", "@DEFAULT_MONITOR@"]) expect(needsOf(opening(name))).toBe("monitor");
    for (const key of ["stream.capture.sink", "target.object", "media.class"]) {
      expect(needsOf(opening(Buffer.from("N"), ...properties(key)))).toBe("monitor");
      expect(needsOf(read(packet(80, 1, 0, 2, ...properties(key))))).toBe("monitor");
    }
  });
});

describe("needsOf() sees what is to record others by", () => {
  const none = Buffer.from("N");
  /** A stream as version 13 opens it: what it names, and whose sound alone it is to get. */
  const stream = (name: string | Buffer, direct: number): Buffer[] => [
    packet(name).subarray(frameBytes),
    packet(-1, Buffer.from("0"), -1, Buffer.from("000000"), ...properties("media.name"), direct).subarray(frameBytes),
  ];

  test.each([
    ["no device", opening(...stream(none, -1)), "microphone"],
    ["the stream of another app", opening(...stream(none, 12)), "monitor"],
    ["a monitor by name, and no index", opening(...stream("@DEFAULT_MONITOR@", -1)), "monitor"],
    ["the name of a property as a device", opening(...stream("stream.capture.sink", -1)), "microphone"],
  ] as const)("%s", (_name, message, needs) => {
    expect(needsOf(message)).toBe(needs);
  });

  test.each([3, 9, 15, 18, 81, 82])("what %d says of a stream or client that plays", (number) => {
    expect(needsOf(read(packet(number, 1, ...properties("media.name", "application.name"))))).toBe("nothing");
    const forbidden = ["target.object", "node.target", "stream.capture.sink", "stream.monitor", "media.class"];
    for (const name of [...forbidden, "priority.session", "pipewire.access", "object.linger", "node.driver"]) {
      expect(needsOf(read(packet(number, 1, ...properties("media.name", name))))).toBe("refused");
    }
  });
});

test("sourceTold() believes what the server says of a stream, and expects the worst where it says nothing", () => {
  expect(sourceTold(read(packet(2, 7, 0, "in.usb")), true)).toBe("microphone");
  expect(sourceTold(read(packet(2, 7, 0, "out.usb.monitor")), true)).toBe("monitor");
  expect(sourceTold(read(packet(2, 7, 0)), true)).toBe("monitor");
  expect(sourceTold(read(packet(2, 7, 0, Buffer.from("N"), "in.usb")), true)).toBe("monitor");
  expect(sourceTold(read(packet(2, 8, 0, "out.usb.monitor")), false)).toBeUndefined();
  expect(sourceTold(read(packet(79, -1, 0, 1, "out.usb.monitor")), false)).toBe("monitor");
});

test("withoutSharedMemory() leaves the version alone", () => {
  const bytes = packet(8, 0, 0xc000_0023);
  expect(withoutSharedMemory(bytes, 0)).toBe(0x23);
  expect(bytes.equals(packet(8, 0, 0x23))).toBe(true);
});

test("refusal() is an error with the tag of the command", () => {
  expect(Buffer.from(refusal(9)).equals(packet(0, 9, 1))).toBe(true);
});

describe("what is no command", () => {
  const head = (length: number, channel: number, flags: number): Buffer => {
    const bytes = Buffer.alloc(frameBytes);
    for (const [index, value] of [length, channel, 0, 0, flags].entries()) bytes.writeUInt32BE(value >>> 0, index * 4);
    return bytes;
  };

  test.each([
    ["too long a command", head(1 << 20, -1, 0)],
    ["too much sound", head(1 << 25, 0, 0)],
    ["shared memory", head(64, 0, 0x8000_0000)],
    ["a block that is let go", head(0, -1, 0x4000_0000)],
  ])("%s ends the connection", (_name, bytes) => {
    expect(() => readFrame(bytes, 0)).toThrow(DowelError);
  });

  test.each([
    ["nothing", packet()],
    ["a text for a number", packet("5", 1)],
    ["an unknown type", packet(5, 1, Buffer.from("?"))],
    ["a text without end", packet(5, 1, Buffer.from("tabc"))],
    ["a block past the end", packet(5, 1, Buffer.from("x\xff\xff\xff\xff", "latin1"))],
    ["a block without length", packet(5, 1, Buffer.from("x"))],
    ["a map past the end", packet(5, 1, Buffer.from("m\xff", "latin1"))],
  ])("%s ends the connection", (_name, bytes) => {
    expect(() => read(bytes)).toThrow(DowelError);
  });

  test("the greeting without a version ends the connection", () => {
    expect(() => withoutSharedMemory(packet(8, 0, "x"), 0)).toThrow(DowelError);
    // Nor is it what comes behind.
    expect(() => withoutSharedMemory(Buffer.concat([packet(8, 0), packet(8, 0, 9)]), 0)).toThrow(DowelError);
  });
});
