// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Message } from "../../../src/dbus/message.ts";
import type { BusPeer } from "../../../src/dbus/peer.ts";
import { variant } from "../../../src/formats/dbus/types.ts";
import { parseSettings } from "../../../src/session/portals/settings.ts";
import { at, errorOf, property } from "./caller.ts";
import { PortalWorld } from "./support.ts";

const settings = at("Settings");
const appearance = "org.freedesktop.appearance";
let world: PortalWorld;
let app: BusPeer;

beforeAll(async () => {
  world = await PortalWorld.device(async (_app, _table, _id, otherwise) => otherwise);
  app = await world.client();
});
afterAll(async () => {
  app[Symbol.dispose]();
  await world[Symbol.asyncDispose]();
});

async function read(key: string, namespace = appearance): Promise<unknown> {
  const call = { ...settings, signature: "ss", values: [namespace, key], returns: "v" } as const;
  const [once] = await app.call({ ...call, member: "ReadOne" });
  expect(await app.call({ ...call, member: "Read" })).toEqual([variant("v", once)]);
  return once;
}

test("Settings answers defaults, and what the user's file says as soon as it says so", async () => {
  expect(await property(app, "Settings", "version")).toBe(2);
  expect(await read("color-scheme")).toEqual(variant("u", 0));
  const changed: (readonly unknown[] | undefined)[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  using _heard = await app.listen({ member: "SettingChanged" }, ({ values }: Message) => {
    if (changed.push(values) === 2) resolve();
  });
  const file = { [appearance]: { "color-scheme": 1, "accent-color": [0.5, 0.25, 1] } };
  world.file("config/dowel/settings.json", JSON.stringify(file));
  await promise;
  expect(changed).toEqual([
    [appearance, "color-scheme", variant("u", 1)],
    [appearance, "accent-color", variant("(ddd)", [0.5, 0.25, 1])],
  ]);
  expect(await read("color-scheme")).toEqual(variant("u", 1));
  const all = { ...settings, member: "ReadAll", signature: "as", returns: "a{sa{sv}}" } as const;
  const [found] = await app.call({ ...all, values: [["org.freedesktop.*"]] });
  expect(found.get(appearance)?.get("contrast")).toEqual(variant("u", 0));
  expect(await app.call({ ...all, values: [["org.gnome"]] })).toEqual([new Map()]);
});

test("Settings knows nothing of other keys, and keeps to the defaults where a file is damaged", async () => {
  expect(await errorOf(read("font"))).toBe("org.freedesktop.portal.Error.NotFound");
  expect(await errorOf(read("color-scheme", "../etc"))).toBe("org.freedesktop.portal.Error.NotFound");
  world.file("config/dowel/settings.json", `{"${appearance}": {"color-scheme": "dark"}}`);
  const other = await world.client();
  const call = { ...settings, member: "ReadOne", signature: "ss", values: [appearance, "color-scheme"] } as const;
  expect(await other.call({ ...call, returns: "v" })).toEqual([variant("u", 0)]);
  expect(String(world.failures.at(-1))).toContain("org.freedesktop.appearance.color-scheme must be a whole number");
  other[Symbol.dispose]();
});

test.each([
  ["[]", "the document must be an object"],
  [`{"${appearance}": {"accent-color": [1, "2", 3]}}`, "three numbers"],
  ['{"a": {"b": null}}', "a.b must be a text"],
  ['{"a": {"b": [1]}}', "a.b must be a string"],
])("parseSettings() refuses %s", (text, message) => {
  expect(() => parseSettings(text, "settings")).toThrow(message);
});
