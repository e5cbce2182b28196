// SPDX-License-Identifier: Apache-2.0
// Wake-ups of apps, with real files and a real bus; the service manager and the app on the bus are played here.
import { afterEach, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { implement } from "../../../src/dbus/interface.ts";
import type { Message } from "../../../src/dbus/message.ts";
import type { BusPeer } from "../../../src/dbus/peer.ts";
import { type Variant, variant } from "../../../src/formats/dbus/types.ts";
import { noBackends } from "../../../src/session/portals/backends.ts";
import type { Decision } from "../../../src/session/portals/decide.ts";
import { formatTimers, parseTimers } from "../../../src/session/timers/plan.ts";
import { until } from "../../support/until.ts";
import { options, property } from "./caller.ts";
import { PortalWorld, portalName, portalPath } from "./support.ts";

const id = "org.example.App";
const timers = { destination: portalName, path: portalPath, interface: "org.dowel.portal.Timers" } as const;
const soon = () => BigInt(Math.floor(Date.now() / 1000));
const inAnHour = () => soon() + 3600n;

let world: PortalWorld;
let app: BusPeer;
let says: Partial<Record<string, Decision>> = {};

async function start(): Promise<void> {
  says = { timers: "yes" };
  world = await PortalWorld.device(async (_app, table, _id, otherwise) => says[table] ?? otherwise);
  mkdirSync(join(world.folder, `data/dowel/app/${id}/current`), { recursive: true });
  app = await world.client();
}
afterEach(async () => {
  app[Symbol.dispose]();
  await world[Symbol.asyncDispose]();
});

let lastToken = 0;

/** Sets a timer; answers the response, or the error. */
async function set(name: string, wanted: Readonly<Record<string, Variant>>, by: BusPeer = app): Promise<unknown> {
  const token = `t${++lastToken}`;
  const path = `${portalPath}/request/${by.name.slice(1).replace(".", "_")}/${token}`;
  const { promise, resolve } = Promise.withResolvers<Message>();
  using _heard = await by.listen({ path, member: "Response" }, resolve);
  const values = [name, options({ ...wanted, handle_token: variant("s", token) })];
  try {
    await by.call({ ...timers, member: "Set", signature: "sa{sv}", values, returns: "o" });
  } catch (error) {
    return String(error);
  }
  return (await promise).values?.[0];
}

const list = async () => (await app.call({ ...timers, member: "List", returns: "a{sa{sv}}" }))[0];
const remove = (name: string) => app.call({ ...timers, member: "Remove", signature: "s", values: [name] });
const file = () => join(world.folder, `data/dowel/timers/${id}.json`);
const kept = () => (existsSync(file()) ? parseTimers(readFileSync(file(), "utf8"), "file") : []);

test("Set, List and Remove keep timers of the app in a file", async () => {
  await start();
  expect(await property(app, "Account", "version")).toBe(1);
  const at = inAnHour();
  expect(await set("alarm", { at: variant("x", at), data: variant("s", "tea"), accuracy: variant("u", 5) })).toBe(0);
  expect(await set("feeds", { interval: variant("u", 3600) })).toBe(0);
  expect(kept().map(({ name, interval }) => [name, interval])).toEqual([
    ["alarm", undefined],
    ["feeds", 3_600_000],
  ]);
  const found = await list();
  expect(found.get("alarm")).toEqual(
    new Map([
      ["data", variant("s", "tea")],
      ["due", variant("x", at)],
      ["accuracy", variant("u", 5)],
    ]),
  );
  expect(found.get("feeds")?.get("interval")).toEqual(variant("u", 3600));
  await set("alarm", { at: variant("x", at + 60n) });
  expect((await list()).get("alarm")?.get("due")).toEqual(variant("x", at + 60n));
  await remove("alarm");
  await remove("feeds");
  expect(existsSync(file())).toBe(false);
  expect(await remove("feeds").catch(String)).toContain("The app has no such timer");
}, 120_000);

test("a connection that has called is told what fires; one that returns is kept", async () => {
  await start();
  const fired: unknown[] = [];
  using _heard = await app.listen({ member: "Fired" }, ({ values }) => fired.push(values));
  await list();
  const at = soon();
  expect(await set("alarm", { at: variant("x", at), data: variant("s", "tea"), accuracy: variant("u", 0) })).toBe(0);
  await until("it fires", () => fired.length === 1);
  expect(fired).toEqual([
    [
      "alarm",
      new Map([
        ["data", variant("s", "tea")],
        ["due", variant("x", at)],
      ]),
    ],
  ]);
  await until("it is forgotten", () => kept().length === 0);
  await set("often", { at: variant("x", soon()), interval: variant("u", 600), accuracy: variant("u", 0) });
  await until("it fires", () => fired.length === 2);
  await until("it is set again", () => (kept()[0]?.due ?? 0) > Date.now());
  expect(world.failures).toEqual([]);
}, 120_000);

test("an app on the bus that does not listen gets its action called", async () => {
  await start();
  world.file(`data/dowel/exports/share/dbus-1/services/${id}.service`, "");
  const called: unknown[] = [];
  const shape = {
    name: "org.freedesktop.Application",
    methods: { ActivateAction: { in: "s action, av parameter, a{sv} platform", out: "" } },
  } as const;
  using host = await world.peer();
  const methods = {
    ActivateAction: (_call: unknown, ...words: readonly unknown[]) => {
      called.push(words);
      return [] as const;
    },
  };
  host.objects.export("/org/example/App", implement(shape, { methods }));
  await host.requestName(id);
  const later = { at: variant("x", inAnHour()), data: variant("s", "tea"), accuracy: variant("u", 0) };
  expect(await set("alarm", later)).toBe(0);
  const { name } = app;
  app[Symbol.dispose]();
  while ((await host.callBus("NameHasOwner", { signature: "s", values: [name], returns: "b" }))[0]) await Bun.sleep(5);
  // Only now, so that no slow machine has it fire while the app listens.
  const at = soon();
  const [timer] = kept();
  if (timer === undefined) throw new Error("unreachable");
  writeFileSync(file(), formatTimers([{ ...timer, due: Number(at) * 1000 }]));
  world.timers.look();
  await until("it is called", () => called.length === 1);
  const details = new Map([
    ["name", variant("s", "alarm")],
    ["data", variant("s", "tea")],
    ["due", variant("x", at)],
  ]);
  expect(called).toEqual([["timer", [variant("a{sv}", details)], new Map()]]);
  await until("it is forgotten", () => kept().length === 0);
  app = await world.client();
}, 120_000);

test("what makes no sense is refused, and nothing is kept of it", async () => {
  await start();
  const at = { at: variant("x", inAnHour()) };
  for (const [name, wanted, reason] of [
    ["a/b", at, "letters, digits"],
    ["", at, "letters, digits"],
    ["x".repeat(65), at, "letters, digits"],
    ["one", {}, "at, interval or both"],
    ["one", { at: variant("s", "now") }, "at must be seconds"],
    ["one", { at: variant("x", -1n) }, "too far away"],
    ["one", { at: variant("x", inAnHour() * 2n) }, "too far away"],
    ["one", { interval: variant("u", 59) }, "at least 60 seconds"],
    ["one", { ...at, interval: variant("u", 60) }, "within the first interval"],
    ["one", { ...at, accuracy: variant("u", 86_401) }, "accuracy is at most"],
    ["one", { ...at, data: variant("s", "x".repeat(1025)) }, "at most 1024 bytes"],
  ] as const) {
    expect(await set(name, wanted)).toContain(reason);
  }
  expect(await list()).toEqual(new Map());
  world.info(`[Application]\nname=${id}\n[Instance]\nsandbox=true\n`);
  using sandboxed = await world.client();
  expect(await set("one", at, sandboxed)).toContain("Only apps with all their permissions");
}, 120_000);

test("a flood ends at the limits, and does not reach the app's timers", async () => {
  await start();
  const at = { at: variant("x", inAnHour()) };
  for (let number = 0; number < 64; number++) await set(`t${number}`, at);
  expect(await set("another", at)).toContain("An app may have 64 timers");
  expect(await set("t0", at)).toBe(0);
  for (let number = 66; number < 120; number++) await remove("missing").catch(String);
  expect(await set("t0", at)).toContain("At most 120 changes a minute");
  expect(kept()).toHaveLength(64);
}, 120_000);

test("no timer is set where the app may not, nor where nobody can be asked; a person's answer is kept", async () => {
  await start();
  const at = { at: variant("x", inAnHour()), reason: variant("s", "to ring") };
  for (const decisions of [{ timers: "no" }, {}, { timers: "yes", background: "no" }] as const) {
    says = decisions;
    expect(await set("alarm", at)).toBe(1);
  }
  says = {};
  for (const [program, response] of [
    ["#!/bin/sh\ncat >&2\nexit 1\n", 1],
    ['#!/bin/sh\ngrep -q \'"reason":"to ring"\'\n', 0],
  ] as const) {
    world.backends = { ...noBackends, commands: new Map([["ask", [world.file("ask", program)]]]) };
    expect(await set("alarm", at)).toBe(response);
  }
  expect(kept()).toHaveLength(1);
}, 120_000);

test("what fires while the app may not is dropped, and an app that is not installed has none", async () => {
  await start();
  await set("often", { interval: variant("u", 3600) });
  const [timer] = kept();
  if (timer === undefined) throw new Error("unreachable");
  const past = { ...timer, due: Date.now() - 1000 };
  writeFileSync(file(), JSON.stringify({ timers: [past, { ...past, name: "once", interval: undefined }] }));
  const fired: unknown[] = [];
  using _heard = await app.listen({ member: "Fired" }, ({ values }) => fired.push(values));
  says = { timers: "no" };
  // Any change makes the service look again.
  await remove("nothing").catch(String);
  says = { timers: "no", background: "yes" };
  await set("other", { at: variant("x", inAnHour()) });
  says = { timers: "yes", background: "no" };
  world.timers.look();
  await until("they are dropped", () => kept().every(({ due }) => due > Date.now()));
  expect(kept().map(({ name }) => name)).toEqual(["often"]);
  expect(fired).toEqual([]);
  rmSync(join(world.folder, `data/dowel/app/${id}`), { recursive: true });
  world.timers.look();
  await until("they are gone", () => !existsSync(file()));
}, 120_000);

test("a damaged file gives nothing, and is told", async () => {
  await start();
  mkdirSync(join(world.folder, "data/dowel/timers"), { recursive: true });
  writeFileSync(file(), "{");
  expect(await list().catch(String)).toContain("Error");
  expect(await set("alarm", { at: variant("x", inAnHour()) })).toContain("Error");
  expect(readFileSync(file(), "utf8")).toBe("{");
  world.timers.look();
  expect(String(world.failures[0])).toContain("not valid JSON");
}, 120_000);

test("the service manager is told of the next time, by which the service may end", async () => {
  await start();
  const calls: string[] = [];
  const shape = {
    name: "org.freedesktop.systemd1.Manager",
    methods: {
      GetUnitFileState: { in: "s file", out: "s state" },
      StartTransientUnit: { in: "s name, s mode, a(sv) properties, a(sa(sv)) aux", out: "o job" },
      StopUnit: { in: "s name, s mode", out: "o job" },
    },
  } as const;
  using host = await world.peer();
  const job = "/org/freedesktop/systemd1/job/1";
  const woken: (readonly unknown[])[] = [];
  const properties: (readonly (readonly [string, Variant])[])[] = [];
  const methods = {
    GetUnitFileState: () => ["static"] as const,
    StartTransientUnit: (
      _call: unknown,
      name: string,
      _mode: string,
      more: readonly (readonly [string, Variant])[],
      others: readonly unknown[],
    ) => {
      woken.push(others);
      calls.push(`start ${name}`);
      properties.push(more);
      return [job] as const;
    },
    StopUnit: (_call: unknown, name: string) => {
      calls.push(`stop ${name}`);
      return [job] as const;
    },
  };
  host.objects.export("/org/freedesktop/systemd1", implement(shape, { methods }));
  await set("later", { at: variant("x", 4_000_000_000n), accuracy: variant("u", 0) }).then((said) =>
    expect(String(said)).toContain("too far away"),
  );
  const at = inAnHour();
  await set("alarm", { at: variant("x", at), accuracy: variant("u", 0) });
  // Nobody has the manager's name yet.
  expect(world.timers.holds).toBe(true);
  await host.requestName("org.freedesktop.systemd1");
  await set("alarm", { at: variant("x", at), accuracy: variant("u", 0) });
  await until("it is told", () => !world.timers.holds);
  await set("alarm", { at: variant("x", at + 60n), accuracy: variant("u", 0) });
  await until("it is told", () => calls.length === 3 && !world.timers.holds);
  await remove("alarm");
  await until("it is told", () => calls.length === 4);
  const name = (time: bigint) => `dowel-timers-${time}.timer`;
  expect(calls).toEqual([`start ${name(at)}`, `start ${name(at + 60n)}`, `stop ${name(at)}`, `stop ${name(at + 60n)}`]);
  const text = new Date(Number(at) * 1000).toISOString().slice(0, 19).replace("T", " ");
  expect(properties[0]).toContainEqual(["TimersCalendar", variant("a(ss)", [["OnCalendar", `${text} UTC`]])]);
  expect(JSON.stringify(woken[0])).toContain('["Wants",{"signature":"as","value":["dowel-session.service"]}]');
  expect(world.timers.holds).toBe(false);
}, 120_000);
