// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { DowelError } from "../../../src/base/errors.ts";
import {
  frameBytes,
  needsOf,
  readCommand,
  readFrame,
  refusal,
  sourceTold,
  withoutSharedMemory,
} from "../../../src/session/sound/pulse.ts";

/** A packet of values: numbers as `L`, texts as `t`, and whatever else as bytes. */
function packet(...values: readonly (number | string | Buffer)[]): Buffer {
  const body = values.map((value) => {
    if (typeof value === "string") return Buffer.from(`t${value}\0`);
    if (typeof value !== "number") return value;
    const bytes = Buffer.from("L0000");
    bytes.writeUInt32BE(value >>> 0, 1);
    return bytes;
  });
  const head = Buffer.alloc(frameBytes);
  head.writeUInt32BE(Buffer.concat(body).length, 0);
  head.writeUInt32BE(0xffff_ffff, 4);
  return Buffer.concat([head, ...body]);
}

const read = (bytes: Buffer) => readCommand(bytes, 0, bytes.length);
const opening = (...texts: (string | Buffer)[]) =>
  read(packet(5, 7, Buffer.from("a\0\0\0\0\0\0m\x01\0"), -1, ...texts));

describe("needsOf()", () => {
  test("lets apps play, and refuses what changes the server", () => {
    for (const number of [3, 8, 9, 20, 22, 24, 41]) expect(needsOf(read(packet(number, 1)))).toBe("nothing");
    for (const number of [7, 19, 36, 44, 48, 51, 68, 87, 90, 101, 103, 104, 500]) {
      expect(needsOf(read(packet(number, 1)))).toBe("refused");
    }
  });

  test("tells the microphone from what apps play, by whatever says so", () => {
    expect(needsOf(opening("alsa_input.usb"))).toBe("microphone");
    expect(needsOf(opening(Buffer.from("N")))).toBe("microphone");
    for (const name of ["alsa_output.usb.monitor", "@DEFAULT_MONITOR@"]) expect(needsOf(opening(name))).toBe("monitor");
    for (const key of ["stream.capture.sink", "target.object", "media.class"]) {
      const properties = [Buffer.from("P"), key, 5, Buffer.from("x\0\0\0\x05true\0"), Buffer.from("N")];
      expect(needsOf(opening(Buffer.from("N"), ...(properties as Buffer[])))).toBe("monitor");
      expect(needsOf(read(packet(80, 1, 0, 2, ...(properties as Buffer[]))))).toBe("monitor");
    }
  });
});

test("sourceTold() believes what the server says of a stream, and expects the worst where it says nothing", () => {
  const tags = new Set([7]);
  expect(sourceTold(read(packet(2, 7, 0, "in.usb")), tags)).toBe("microphone");
  expect(sourceTold(read(packet(2, 7, 0, "out.usb.monitor")), tags)).toBe("monitor");
  expect(sourceTold(read(packet(2, 7, 0)), tags)).toBe("monitor");
  expect(sourceTold(read(packet(2, 8, 0, "out.usb.monitor")), tags)).toBeUndefined();
  expect(sourceTold(read(packet(79, -1, 0, 1, "out.usb.monitor")), tags)).toBe("monitor");
});

test("withoutSharedMemory() leaves the version alone", () => {
  const bytes = packet(8, 0, 0xc000_0023);
  withoutSharedMemory(bytes, 0);
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
  });
});
