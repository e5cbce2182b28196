// SPDX-License-Identifier: Apache-2.0
// Portals over what the machine has on its system bus and in its kernel. The services are played where none runs here.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync, readlinkSync, readSync } from "node:fs";
import { implement } from "../../../src/dbus/interface.ts";
import type { Message } from "../../../src/dbus/message.ts";
import { BusPeer } from "../../../src/dbus/peer.ts";
import { variant } from "../../../src/formats/dbus/types.ts";
import type { Decision } from "../../../src/session/portals/decide.ts";
import { warningOf } from "../../../src/session/portals/memory.ts";
import { socketPair } from "../../../src/sys/sockets.ts";
import { until } from "../../support/until.ts";
import { at, errorOf, options, property, request } from "./caller.ts";
import { PortalWorld, portalPath } from "./support.ts";

let world: PortalWorld;
let app: BusPeer;
let machine: BusPeer;
let says: Decision | undefined;

beforeAll(async () => {
  world = await PortalWorld.device(async (_app, _table, _id, otherwise) => says ?? otherwise);
  machine = await BusPeer.connect(world.loop, [{ path: world.bus.socket }]);
  app = await world.client();
});
afterAll(async () => {
  app[Symbol.dispose]();
  machine[Symbol.dispose]();
  await world[Symbol.asyncDispose]();
});

describe("Inhibit", () => {
  const inhibit = (flags: number) =>
    request(app, "Inhibit", "Inhibit", "su", ["", flags], { reason: variant("s", "burning a disc") });

  test("answers 2 where there is no logind, and 1 where the app may not", async () => {
    expect(await inhibit(4)).toEqual([2, new Map()]);
    expect(await errorOf(inhibit(0))).toContain("InvalidArgument");
    expect(await errorOf(inhibit(16))).toContain("InvalidArgument");
    says = "no";
    expect(await inhibit(4)).toEqual([1, new Map()]);
    says = undefined;
  });

  test("holds a lock of logind until the request is closed, or its app has gone", async () => {
    const shape = {
      name: "org.freedesktop.login1.Manager",
      methods: { Inhibit: { in: "s what, s who, s why, s mode", out: "h fd" } },
    } as const;
    const asked: unknown[] = [];
    const file = openSync("/dev/null", "r");
    const methods = {
      Inhibit: (_call: unknown, ...words: readonly string[]) => {
        asked.push(words);
        return [file] as const;
      },
    };
    machine.objects.export("/org/freedesktop/login1", implement(shape, { methods }));
    await machine.requestName("org.freedesktop.login1");
    const held = () =>
      [...Array(256).keys()].filter((fd) => {
        try {
          return readlinkSync(`/proc/self/fd/${fd}`) === "/dev/null";
        } catch {
          return false;
        }
      }).length;
    const before = held();
    const other = await world.client();
    const wanted = { handle_token: variant("s", "lock") };
    const call = { ...at("Inhibit"), member: "Inhibit", signature: "sua{sv}", returns: "o" } as const;
    const { promise, resolve } = Promise.withResolvers<Message>();
    const path = `${portalPath}/request/${other.name.slice(1).replace(".", "_")}/lock`;
    const heard = await other.listen({ path, member: "Response" }, resolve);
    expect(await other.call({ ...call, values: ["", 13, options(wanted)] })).toEqual([path]);
    expect((await promise).values).toEqual([0, new Map()]);
    expect(asked).toEqual([["shutdown:sleep:idle", "org.example.App", "It did not say why", "block"]]);
    expect(held()).toBe(before + 1);
    heard[Symbol.dispose]();
    const close = { ...at("Inhibit"), path, interface: "org.freedesktop.portal.Request", member: "Close" };
    expect(await errorOf(app.call(close))).toContain("UnknownObject");
    await other.call(close);
    await until("the lock is let go", () => held() === before);
    expect(await inhibit(4)).toEqual([0, new Map()]);
    expect(held()).toBe(before + 1);
    app[Symbol.dispose]();
    await until("the lock goes with its app", () => held() === before);
    app = other;
    closeSync(file);
  });

  test("opens monitors, which tell that the session runs", async () => {
    const { promise, resolve } = Promise.withResolvers<Message>();
    using _heard = await app.listen({ member: "StateChanged" }, resolve);
    const [response, results] = (await request(app, "Inhibit", "CreateMonitor", "s", [""])) as [
      number,
      Map<string, { value: string }>,
    ];
    expect(response).toBe(0);
    const handle = results.get("session_handle")?.value ?? "";
    expect((await promise).values?.[0]).toBe(handle);
    const answer = { ...at("Inhibit"), member: "QueryEndResponse", signature: "o" } as const;
    await app.call({ ...answer, values: [handle] });
    expect(await errorOf(app.call({ ...answer, values: ["/org/freedesktop/portal/desktop/session/1_1/x"] }))).toContain(
      "NotFound",
    );
  });

  test("tells monitors when the session is locked and when it ends, which waits for their answers", async () => {
    const name = "org.freedesktop.login1";
    const manager = {
      name: `${name}.Manager`,
      methods: { Inhibit: { in: "s what, s who, s why, s mode", out: "h fd" } },
      signals: { PrepareForShutdown: "b start" },
    } as const;
    const session = { name: `${name}.Session`, methods: {}, properties: { LockedHint: "b" } } as const;
    await using played = await PortalWorld.device(async (_app, _table, _id, otherwise) => otherwise);
    using host = await played.peer();
    using client = await played.client();
    const [held, release] = socketPair("stream");
    let isLocked = false;
    host.objects.export(
      "/org/freedesktop/login1",
      implement(manager, {
        methods: {
          Inhibit: (_call, what, _who, _why, mode) => [what === "shutdown" && mode === "delay" ? release : -1],
        },
      }),
    );
    host.objects.export(
      "/org/freedesktop/login1/session/auto",
      implement(session, { methods: {}, properties: { LockedHint: () => isLocked } }),
    );
    await host.requestName(name);
    const states: unknown[] = [];
    using _heard = await client.listen({ member: "StateChanged" }, ({ values }) => states.push(values));
    const results = (await request(client, "Inhibit", "CreateMonitor", "s", [""]))[1] as Map<string, { value: string }>;
    const handle = results.get("session_handle")?.value ?? "";
    const told = (locked: boolean, phase: number) => {
      const state = { "screensaver-active": variant("b", locked), "session-state": variant("u", phase) };
      return [handle, new Map(Object.entries(state))];
    };
    await until("the first", () => states.length === 1);
    isLocked = true;
    host.emitChanged("/org/freedesktop/login1/session/auto", session, { LockedHint: true });
    await until("the lock", () => states.length === 2);
    host.emit("/org/freedesktop/login1", manager, "PrepareForShutdown", [true]);
    await until("the question", () => states.length >= 3);
    // The lock's copies are the service's and this one.
    closeSync(release);
    await client.call({ ...at("Inhibit"), member: "QueryEndResponse", signature: "o", values: [handle] });
    await until("the end", () => states.length === 4);
    expect(states).toEqual([told(false, 1), told(true, 1), told(true, 2), told(true, 3)]);
    const byte = Buffer.alloc(1);
    await until("logind may go on", () => {
      try {
        return readSync(held, byte) === 0;
      } catch {
        return false;
      }
    });
    closeSync(held);
  });
});

test("PowerProfileMonitor follows power-profiles-daemon, and says no where there is none", async () => {
  expect(await property(app, "PowerProfileMonitor", "power-saver-enabled")).toBe(false);
  const name = "net.hadess.PowerProfiles";
  const shape = { name, methods: {}, properties: { ActiveProfile: "s" } } as const;
  let profile = "balanced";
  machine.objects.export(
    "/net/hadess/PowerProfiles",
    implement(shape, { methods: {}, properties: { ActiveProfile: () => profile } }),
  );
  await machine.requestName(name);
  expect(await property(app, "PowerProfileMonitor", "power-saver-enabled")).toBe(false);
  const { promise, resolve } = Promise.withResolvers<Message>();
  using _heard = await app.listen({ member: "PropertiesChanged" }, resolve);
  profile = "power-saver";
  machine.emitChanged("/net/hadess/PowerProfiles", shape, { ActiveProfile: profile });
  expect((await promise).values?.slice(0, 2)).toEqual([
    "org.freedesktop.portal.PowerProfileMonitor",
    new Map([["power-saver-enabled", variant("b", true)]]),
  ]);
  expect(await property(app, "PowerProfileMonitor", "power-saver-enabled")).toBe(true);
});

test("MemoryMonitor is there, with or without triggers of the kernel", async () => {
  expect(await property(app, "MemoryMonitor", "version")).toBe(1);
});

test.each([
  ["some avg10=0.00 avg60=0\nfull avg10=0.00", 0],
  ["some avg10=5.10 avg60=0\nfull avg10=0.00", 50],
  ["some avg10=31 avg60=0\nfull avg10=9.00", 100],
  ["some avg10=40 avg60=0\nfull avg10=20.5", 255],
  ["", 0],
])("warningOf() %j is %i", (text, level) => {
  expect(warningOf(text)).toBe(level);
});

describe("Realtime", () => {
  const call = { ...at("Realtime"), member: "MakeThreadRealtimeWithPID", signature: "ttu" } as const;

  test("asks RealtimeKit for threads of the app's own namespace, by the host's numbers", async () => {
    const child = spawn("unshare", ["--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "sleep", "1000"]);
    const first = await until("the namespace", () => childOf(child.pid ?? 0));
    world.file("instances/7/bwrapinfo.json", JSON.stringify({ "child-pid": first }));
    const asked: unknown[] = [];
    const shape = {
      name: "org.freedesktop.RealtimeKit1",
      methods: { MakeThreadRealtimeWithPID: { in: "t process, t thread, u priority", out: "" } },
      properties: { MaxRealtimePriority: "i" },
    } as const;
    const methods = {
      MakeThreadRealtimeWithPID: (_call: unknown, ...numbers: readonly unknown[]) => {
        asked.push(numbers);
        return [] as const;
      },
    };
    const properties = { MaxRealtimePriority: () => 20 };
    machine.objects.export("/org/freedesktop/RealtimeKit1", implement(shape, { methods, properties }));
    await machine.requestName("org.freedesktop.RealtimeKit1");
    expect(await property(app, "Realtime", "MaxRealtimePriority")).toBe(20);
    await app.call({ ...call, values: [1n, 1n, 5] });
    expect(asked).toEqual([[BigInt(first), BigInt(first), 5]]);
    for (const pid of [BigInt(process.pid), BigInt(first), 99_999_999n]) {
      expect(await errorOf(app.call({ ...call, values: [pid, pid, 5] }))).toContain("NotFound");
    }
    says = "no";
    expect(await errorOf(app.call({ ...call, values: [1n, 1n, 5] }))).toContain("NotAllowed");
    says = undefined;
    child.kill("SIGKILL");
    process.kill(first, "SIGKILL");
  });
});

/** The process that a parent has begun in another namespace of pids. */
function childOf(parent: number): number | undefined {
  try {
    const found = readFileSync(`/proc/${parent}/task/${parent}/children`, "latin1").trim();
    return /^\d+$/.test(found) && readFileSync(`/proc/${found}/comm`, "latin1") === "sleep\n"
      ? Number(found)
      : undefined;
  } catch {
    return undefined;
  }
}

test("Location gives nothing away", async () => {
  const create = {
    ...at("Location"),
    member: "CreateSession",
    signature: "a{sv}",
    values: [options()],
    returns: "o",
  } as const;
  const [session] = await app.call(create);
  const start = (handle: string) => request(app, "Location", "Start", "os", [handle, ""]);
  expect(await start(session)).toEqual([1, new Map()]);
  expect(await errorOf(start(`${session}x`))).toContain("NotFound");
});
