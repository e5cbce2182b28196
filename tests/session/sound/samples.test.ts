// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { DowelError } from "../../../src/base/errors.ts";
import { ownSample } from "../../../src/session/sound/samples.ts";
import { packet, properties, read } from "./packets.ts";

const app = "org.example.App";
const version = 35;
const [upload, play, remove, info] = [15, 18, 19, 33];
const none = Buffer.from("N");
const sound = Buffer.from("a\x03\x01\0\0\xbb\x80m\x01\0", "latin1");
const list = (...names: readonly string[]) => properties(...names);

/** What becomes of a packet; `undefined` for one that passes as it is. */
const becomes = (bytes: Buffer, from = app, said = version) => ownSample(from, said, read(bytes), bytes);

/** The same as text, where another packet goes on in its place. */
const inPlace = (bytes: Buffer, from = app): string =>
  Buffer.from(becomes(bytes, from) as Uint8Array).toString("latin1");

function property(key: string, value: string): readonly (number | string | Buffer)[] {
  const size = Buffer.alloc(4);
  size.writeUInt32BE(value.length + 1);
  return [key, value.length + 1, Buffer.concat([Buffer.from("x"), size, Buffer.from(`${value}\0`)])];
}

describe("ownSample()", () => {
  test("gives what an app uploads a name of its own, by whatever the server takes it from", () => {
    const named = [
      ...property("event.id", "org.example.App..bell"),
      ...property("media.name", "org.example.App..bell"),
    ];
    const hostile = [...property("event.id", "bell"), ...property("media.name", "bell")];
    for (const said of [[], hostile]) {
      const bytes = packet(upload, 7, "bell", sound, 4, Buffer.from("P"), ...said, none);
      const own = packet(upload, 7, "org.example.App..bell", sound, 4, Buffer.from("P"), ...said, ...named, none);
      expect(inPlace(bytes)).toBe(own.toString("latin1"));
    }
  });

  test("plays, removes and tells of samples by those names", () => {
    const own = "org.example.App..bell";
    const cases: readonly (readonly [Buffer, Buffer])[] = [
      [packet(play, 1, -1, none, 9, "bell", ...list("a")), packet(play, 1, -1, none, 9, own, ...list("a"))],
      [packet(play, 1, -1, "speaker", 9, "bell"), packet(play, 1, -1, "speaker", 9, own)],
      [packet(remove, 1, "bell"), packet(remove, 1, own)],
      [packet(info, 1, -1, "bell"), packet(info, 1, -1, own)],
    ];
    for (const [bytes, expected] of cases) expect(inPlace(bytes)).toBe(expected.toString("latin1"));
  });

  test("makes no name that is another app's", () => {
    const names = [
      ["org.example", ".App..bell"],
      ["org.example", "App..bell"],
      ["org.example.App", "bell"],
      ["org.example.App", ".bell"],
      ["org.example.App", ""],
    ] as const;
    const made = names.map(([from, name]) => inPlace(packet(remove, 1, name), from));
    expect(new Set(made).size).toBe(names.length);
    for (const [index, [from]] of names.entries()) expect(made[index]).toContain(`t${from}..`);
  });

  test.each([
    ["a sample by its number", packet(info, 1, 3, none)],
    ["a number beside a name", packet(info, 1, 3, "bell")],
    ["a sample without a name", packet(play, 1, -1, none, 9, none)],
    ["nothing to remove", packet(remove, 1, none)],
    ["two names", packet(remove, 1, "bell", "ring")],
    ["an upload without a name", packet(upload, 7, none, sound, 4, ...list("event.id"))],
    ["an upload without properties", packet(upload, 7, "bell", sound, 4)],
    ["an upload with something behind its properties", packet(upload, 7, "bell", sound, 4, ...list("a"), none)],
    ["an upload with a list that ends too early", packet(upload, 7, "bell", sound, 4, ...list("a"), ...list("b"))],
    ["an upload with a property without a value", packet(upload, 7, "bell", sound, 4, Buffer.from("P"), "a", none)],
  ])("refuses %s", (_name, bytes) => {
    expect(becomes(bytes)).toBe("refused");
  });

  test("refuses uploads of versions whose properties no server reads, and before any greeting", () => {
    const bytes = packet(upload, 7, "bell", sound, 4, ...list());
    for (const said of [0, 8, 12]) expect(becomes(bytes, app, said)).toBe("refused");
    expect(becomes(bytes, app, 13)).toBeInstanceOf(Uint8Array);
  });

  test("leaves alone what names no sample", () => {
    for (const number of [3, 9, 16, 17, 20, 35]) expect(becomes(packet(number, 1, "bell"))).toBeUndefined();
  });

  test("ends with a packet that is cut", () => {
    expect(() => becomes(packet(remove, 1, Buffer.from("tbell")))).toThrow(DowelError);
  });
});
