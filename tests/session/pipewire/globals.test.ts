// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { Globals } from "../../../src/session/pipewire/globals.ts";
import { readMessage } from "../../../src/session/pipewire/message.ts";
import { events } from "./messages.ts";

const registry = 2;
const cookie = 7;
const name = { number: 40, cookie };

/** A client, 40, that had a stream, 41, linked to a camera, 30, and a microphone, 31. */
function withLinks() {
  const globals = new Globals();
  globals.cookie = cookie;
  const hear = (bytes: Uint8Array): void => globals.hear(readMessage(bytes, 0));
  const add = (id: number, type: string, properties: Readonly<Record<string, string>>): void =>
    hear(events.global(registry, id, type, properties));
  add(30, "Node", { "media.class": "Video/Source", "media.role": "Camera", "client.id": "10" });
  add(31, "Node", { "media.class": "Audio/Source", "client.id": "10" });
  add(40, "Client", {});
  add(41, "Node", { "client.id": "40" });
  add(50, "Link", { "link.output.node": "30", "link.input.node": "41" });
  add(51, "Link", { "link.output.node": "31", "link.input.node": "41" });
  return { globals, hear, add };
}

test("seenBy() names cameras also when their links are gone, and nothing else", () => {
  const { globals, hear } = withLinks();
  expect(globals.seenBy(name)).toEqual([30]);
  for (const link of [50, 51]) hear(events.globalRemove(registry, link));
  expect(globals.heardNow(name)).toEqual([]);
  expect(globals.seenBy(name)).toEqual([30]);
});

test("seenBy() names none for a client that is gone, nor of another PipeWire", () => {
  const { globals, hear, add } = withLinks();
  for (const other of [
    { number: 40, cookie: 8 },
    { number: undefined, cookie },
    { number: 10, cookie },
  ]) {
    expect(globals.has(other)).toBe(false);
    expect(globals.seenBy(other)).toEqual([]);
  }
  hear(events.globalRemove(registry, 40));
  expect(globals.seenBy(name)).toEqual([]);
  add(40, "Client", {});
  expect([globals.has(name), globals.seenBy(name).length]).toEqual([true, 0]);
});

test("seenBy() names no camera that is gone, nor what has its number since", () => {
  const { globals, hear, add } = withLinks();
  hear(events.globalRemove(registry, 30));
  expect(globals.seenBy(name)).toEqual([]);
  add(30, "Node", { "media.class": "Audio/Sink" });
  expect(globals.seenBy(name)).toEqual([]);
});
