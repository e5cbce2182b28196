// SPDX-License-Identifier: Apache-2.0
// Portals between an app that means no good, a store that fails and tables that were damaged: nothing is decided in the
// app's favour, and the next request works. What one portal refuses by itself is in tests/session/portals.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { lampPortal } from "../../examples/portal/lamp.ts";
import { limits } from "../../src/base/limits.ts";
import type { Message } from "../../src/dbus/message.ts";
import type { BusPeer } from "../../src/dbus/peer.ts";
import { type Variant, variant } from "../../src/formats/dbus/types.ts";
import { writeTable } from "../../src/metadata/permissiontable.ts";
import { storeName } from "../../src/session/permissions/bus.ts";
import { callingApp } from "../../src/session/portals/app.ts";
import type { Decide } from "../../src/session/portals/decide.ts";
import { decideByStore } from "../../src/session/portals/stored.ts";
import { errorOf } from "../session/portals/caller.ts";
import { PortalWorld, portalName, portalPath } from "../session/portals/support.ts";
import { RawPeer } from "../support/bus.ts";

const id = "org.example.App";
const lamp = { destination: portalName, path: portalPath, interface: "org.example.portal.Lamp" } as const;
const allowed = writeTable(new Map([["light", { data: variant("y", 0), apps: new Map([[id, ["yes"]]]) }]]));
const failures: unknown[] = [];
let decide: Decide;
let world: PortalWorld;
let app: BusPeer;
let table: string;

/** Decides by the store of the world's bus, or by the tables in its folder. */
function deciding(withBus: boolean): Decide {
  const environment = {
    XDG_DATA_HOME: `${world.folder}/data`,
    ...(withBus ? { DBUS_SESSION_BUS_ADDRESS: world.bus.address } : {}),
  };
  return decideByStore(world.loop, environment, (error) => failures.push(error));
}

beforeAll(async () => {
  world = await PortalWorld.start([lampPortal("/bin/true")], (...words) => decide(...words));
  app = await world.client();
  mkdirSync(`${world.folder}/data/flatpak/db`, { recursive: true });
  table = `${world.folder}/data/flatpak/db/lamp`;
});
afterAll(async () => {
  app[Symbol.dispose]();
  await world[Symbol.asyncDispose]();
});
beforeEach(() => {
  failures.length = 0;
  decide = deciding(false);
  rmSync(table, { force: true, recursive: true });
  writeFileSync(table, allowed);
});

function token(name: string, key = "handle_token"): ReadonlyMap<string, Variant> {
  return new Map([[key, variant("s", name)]]);
}

function callLight(peer: BusPeer, name: string) {
  const values = ["red", token(name)];
  return peer.call({ ...lamp, member: "Light", signature: "sa{sv}", values, returns: "o" } as const);
}

/** The response of a request: 0 where the app may, 1 where not, 2 where it failed. */
async function light(peer: BusPeer, name: string): Promise<unknown> {
  const { promise, resolve } = Promise.withResolvers<Message>();
  const path = `${portalPath}/request/${peer.name.slice(1).replace(".", "_")}/${name}`;
  using _heard = await peer.listen({ path, member: "Response" }, resolve);
  await callLight(peer, name);
  return (await promise).values?.[0];
}

function openSession(peer: BusPeer, name: string) {
  const values = [token(name, "session_handle_token")];
  return peer.call({ ...lamp, member: "Watch", signature: "a{sv}", values, returns: "o" } as const);
}

describe("a table of permissions that was damaged", () => {
  test("allows nothing, wherever it was cut", async () => {
    const caller = callingApp(`${world.folder}/instances`, id, "7");
    expect(await decide(caller, "lamp", "light", "ask")).toBe("yes");
    for (let length = 0; length < allowed.length; length++) {
      writeFileSync(table, allowed.subarray(0, length));
      expect({ length, decision: await decide(caller, "lamp", "light", "yes") }).toEqual({ length, decision: "no" });
    }
    expect(failures.length).toBe(allowed.length);
  });

  test.each([
    ["a pipe that nobody writes to", () => execFileSync("mkfifo", [table])],
    ["a folder", () => mkdirSync(table)],
    ["more than a table may be", () => truncateSync(table, limits.permissionTableBytes + 1)],
    ["bytes of anything", () => writeFileSync(table, Buffer.alloc(4096, 0xa5))],
  ] as const)("allows nothing where there is %s, and the next request works", async (what, damage) => {
    if (!what.startsWith("more")) rmSync(table);
    damage();
    expect(await light(app, "damaged")).toBe(1);
    expect(failures.length).toBe(1);
    rmSync(table, { recursive: true });
    writeFileSync(table, allowed);
    expect(await light(app, "mended")).toBe(0);
  });
});

test("a store that hangs keeps nobody else waiting, and allows nothing when it dies", async () => {
  decide = deciding(true);
  const store = await RawPeer.connect(world.bus.socket);
  await store.callBus("RequestName", storeName);
  const response = light(app, "hangs");
  await Promise.race([store.until(() => store.received.some(({ member }) => member === "Lookup")), response]);
  const get = { ...lamp, interface: "org.freedesktop.DBus.Properties", member: "Get" } as const;
  const values = [lamp.interface, "version"];
  expect(await app.call({ ...get, signature: "ss", values, returns: "v" })).toEqual([variant("u", 1)]);
  store[Symbol.dispose]();
  expect(await response).toBe(1);
  expect(failures.length).toBe(1);
  decide = deciding(false);
  expect(await light(app, "after")).toBe(0);
});

describe("sessions", () => {
  test.each(["", "../x", "a/b", "a.b", "a\u00e9", "x".repeat(129)])("are not opened for the token %j", async (name) => {
    expect(await errorOf(openSession(app, name))).toBe("org.freedesktop.portal.Error.InvalidArgument");
  });

  test("are as many as allowed, for each connection by itself, and end with it", async () => {
    for (const round of ["first", "second"]) {
      const flooder = await world.client();
      for (let index = 0; index < limits.portalSessions; index++) await openSession(flooder, `${round}${index}`);
      expect(await errorOf(openSession(flooder, "more"))).toContain("LimitsExceeded");
      const [path] = await openSession(app, round);
      const close = { destination: portalName, path, interface: "org.freedesktop.portal.Session", member: "Close" };
      // A path of another's is not even an object to the flooder.
      expect(await errorOf(flooder.call(close))).toContain("UnknownObject");
      await app.call(close);
      flooder[Symbol.dispose]();
    }
  });
});

test("a flood of calls is answered call by call, and others are served", async () => {
  const flooder = await world.client();
  const calls = Array.from({ length: 3 * limits.portalRequests }, (_, index) =>
    errorOf(callLight(flooder, `f${index}`)),
  );
  expect(await light(app, "meanwhile")).toBe(0);
  for (const outcome of await Promise.all(calls)) {
    // "undefined": it was taken.
    expect(outcome).toMatch(/^undefined$|LimitsExceeded$/);
  }
  flooder[Symbol.dispose]();
  expect(await light(app, "afterwards")).toBe(0);
});
