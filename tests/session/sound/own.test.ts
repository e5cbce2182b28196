// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { DowelError } from "../../../src/base/errors.ts";
import { limits } from "../../../src/base/limits.ts";
import { OwnStreams } from "../../../src/session/sound/own.ts";
import { namesByIndex } from "../../../src/session/sound/pulse.ts";
import { packet, read } from "./packets.ts";

const [plays, records] = [3, 5];
const reply = (tag: number, channel: number, index: number) => read(packet(2, tag, channel, index));

/** A client with a stream that plays, of channel 0 and index 40, and one that records, of channel 1 and index 41. */
function withStreams(): OwnStreams {
  const own = new OwnStreams();
  own.ask(read(packet(plays, 1)));
  own.ask(read(packet(records, 2)));
  expect([own.hear(reply(1, 0, 40)), own.hear(reply(2, 1, 41))]).toEqual(["plays", "records"]);
  return own;
}

describe("OwnStreams", () => {
  test("knows by the answers of the server what is the client's own", () => {
    const own = withStreams();
    expect([own.has("plays", 40), own.has("records", 41)]).toEqual([true, true]);
    for (const index of [41, 0, 1, undefined]) expect(own.has("plays", index)).toBe(false);
    expect(own.has("records", 40)).toBe(false);
  });

  test("takes no other answer for that of an opening", () => {
    const own = new OwnStreams();
    own.ask(read(packet(plays, 1)));
    expect(() => own.ask(read(packet(21, 1)))).toThrow(DowelError);
    own.ask(read(packet(21, 2)));
    expect(() => own.ask(read(packet(plays, 2)))).toThrow(DowelError);
    expect(own.hear(reply(2, 0, 40))).toBeUndefined();
    expect(own.hear(read(packet(0, 1, 5)))).toBeUndefined();
    expect(own.hear(reply(1, 0, 40))).toBeUndefined();
    expect(own.has("plays", 40)).toBe(false);
  });

  test.each([
    ["deletes", (own: OwnStreams) => own.ask(read(packet(4, 9, 0)))],
    ["has killed", (own: OwnStreams) => void own.hear(read(packet(64, -1, 0)))],
  ])("forgets what somebody %s, whose index another may get", (_name, close) => {
    const own = withStreams();
    close(own);
    expect([own.has("plays", 40), own.has("records", 41)]).toEqual([false, true]);
  });

  test("ends with a client that reads no answers", () => {
    const own = new OwnStreams();
    const askAll = () => {
      for (let tag = 0; tag <= limits.soundCommandsWaiting; tag++) own.ask(read(packet(20, tag)));
    };
    expect(askAll).toThrow(DowelError);
  });
});

test("namesByIndex() knows what all clients could say of each other's streams", () => {
  const named = Array.from({ length: 110 }, (_, number) => [number, namesByIndex(read(packet(number, 1, 7)))] as const);
  expect(named.filter(([, doing]) => doing === "plays").map(([number]) => number)).toEqual([29, 37, 69]);
  expect(named.filter(([, doing]) => doing === "records").map(([number]) => number)).toEqual([31, 98, 99]);
});
