// SPDX-License-Identifier: Apache-2.0
// What org.freedesktop.portal.Flatpak refuses; tests/e2e/spawn.test.ts shows what it does.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { closeSync, openSync } from "node:fs";
import { BusCallError } from "../../../src/dbus/errors.ts";
import type { Message } from "../../../src/dbus/message.ts";
import type { BusPeer } from "../../../src/dbus/peer.ts";
import { type Variant, variant } from "../../../src/formats/dbus/types.ts";
import { flatpakPortal } from "../../../src/session/portals/flatpak.ts";
import { PortalWorld } from "./support.ts";

const portal = {
  destination: "org.freedesktop.portal.Flatpak",
  path: "/org/freedesktop/portal/Flatpak",
  interface: "org.freedesktop.portal.Flatpak",
} as const;
let world: PortalWorld;
let app: BusPeer;

beforeAll(async () => {
  world = await PortalWorld.start([flatpakPortal], async (_app, _table, _id, otherwise) => otherwise);
  app = await world.client();
});
afterAll(async () => {
  app[Symbol.dispose]();
  await world[Symbol.asyncDispose]();
});

const trueWords = [Buffer.from("true\0")];

interface Wanted {
  readonly words?: readonly Uint8Array[];
  readonly fds?: ReadonlyMap<number, number>;
  readonly flags?: number;
  readonly options?: readonly (readonly [string, Variant])[];
}

async function spawn({ words = trueWords, fds = new Map(), flags = 0, options = [] }: Wanted = {}): Promise<number> {
  const values = [Buffer.from("/\0"), words, fds, new Map(), flags, new Map(options)];
  const call = { ...portal, member: "Spawn", signature: "ayaaya{uh}a{ss}ua{sv}", values, returns: "u" } as const;
  return (await app.call(call))[0];
}

function signal(peer: BusPeer, pid: number, number: number): Promise<unknown> {
  return peer.call({ ...portal, member: "SpawnSignal", signature: "uub", values: [pid, number, true] });
}

async function errorOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error instanceof BusCallError ? `${error.errorName}: ${error.message}` : String(error);
}

describe("org.freedesktop.portal.Flatpak", () => {
  test("tells how a process ended that could not even start its sandbox", async () => {
    const exits: (readonly unknown[])[] = [];
    const ended = Promise.withResolvers<void>();
    using _heard = await app.listen({ member: "SpawnExited" }, ({ values = [] }: Message) => {
      exits.push(values);
      ended.resolve();
    });
    const pid = await spawn();
    await ended.promise;
    // The status of waitpid(2): exit code 1, as the app of this world is not installed.
    expect(exits).toEqual([[pid, 256]]);
    expect(await errorOf(signal(app, pid, 15))).toContain("UnixProcessIdUnknown");
  });

  test("signals no process that was not spawned over this connection", async () => {
    const other = await world.client();
    for (const pid of [process.pid, 1, 0, 4_294_967_295]) {
      expect(await errorOf(signal(other, pid, 9))).toContain("UnixProcessIdUnknown");
    }
    other[Symbol.dispose]();
  });

  test("refuses flags, numbers of descriptors and kinds of options that it does not know", async () => {
    expect(await errorOf(spawn({ flags: 1 << 20 }))).toContain("Unsupported flags");
    const fd = openSync("/dev/null", "r");
    expect(await errorOf(spawn({ fds: new Map([[5000, fd]]) }))).toContain("InvalidArgs");
    const texts = variant("as", ["a"]);
    expect(await errorOf(spawn({ flags: 4, options: [["sandbox-expose-fd", texts]] }))).toContain(
      "list of descriptors",
    );
    closeSync(fd);
  });

  test("says what the kernel cannot start, and starts the next", async () => {
    const long = spawn({ words: [Buffer.from("true\0"), Buffer.alloc(200 * 1024, "a")] });
    expect(await errorOf(long)).toContain("portal.Error.Failed: The process could not be started: E2BIG");
    expect(await spawn()).toBeGreaterThan(0);
  });

  test("exposes only what is held by O_PATH, which gives no access by itself", async () => {
    for (const path of ["/etc/passwd", "/dev/null", "/etc"]) {
      const fd = openSync(path, "r");
      for (const key of ["sandbox-expose-fd", "sandbox-expose-fd-ro"]) {
        const options = [[key, variant("ah", [fd])]] as const;
        expect(await errorOf(spawn({ flags: 4, options }))).toContain("opened with O_PATH");
      }
      expect(await errorOf(spawn({ options: [["usr-fd", variant("h", fd)]] }))).toContain("opened with O_PATH");
      closeSync(fd);
    }
  });

  test("has its version and what it supports", async () => {
    const get = { ...portal, interface: "org.freedesktop.DBus.Properties", member: "GetAll" };
    expect(await app.call({ ...get, signature: "s", values: [portal.interface], returns: "a{sv}" })).toEqual([
      new Map([
        ["version", variant("u", 8)],
        ["supports", variant("u", 1)],
      ]),
    ]);
  });
});
