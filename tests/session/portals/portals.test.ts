// SPDX-License-Identifier: Apache-2.0
// The room of portals, by way of the worked example: a portal that a device's maker writes.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { lampPortal } from "../../../examples/portal/lamp.ts";
import { limits } from "../../../src/base/limits.ts";
import { BusCallError } from "../../../src/dbus/errors.ts";
import type { Message } from "../../../src/dbus/message.ts";
import type { BusPeer } from "../../../src/dbus/peer.ts";
import { type Variant, variant } from "../../../src/formats/dbus/types.ts";
import type { Decision } from "../../../src/session/portals/decide.ts";
import { until } from "../../support/until.ts";
import { PortalWorld, portalName, portalPath } from "./support.ts";

const lamp = { destination: portalName, path: portalPath, interface: "org.example.portal.Lamp" } as const;
const asked: unknown[] = [];
let says: Decision = "yes";
let world: PortalWorld;
let app: BusPeer;
let command: string;

beforeAll(async () => {
  command = join(mkdtempSync(join(tmpdir(), "dowel-lamp-")), "lamp");
  world = await PortalWorld.start([lampPortal(command)], async ({ id, instance }, table, entry, otherwise) => {
    asked.push([id, instance, table, entry, otherwise]);
    return says;
  });
  app = await world.client();
});
afterAll(async () => {
  app[Symbol.dispose]();
  await world[Symbol.asyncDispose]();
  rmSync(dirname(command), { recursive: true, force: true });
});
beforeEach(() => {
  says = "yes";
  asked.length = 0;
  backend("exit 0");
});

/** What the maker's command does. */
function backend(script: string): void {
  writeFileSync(command, `#!/bin/sh\n${script}\n`);
  chmodSync(command, 0o755);
}

function token(name: string): ReadonlyMap<string, Variant> {
  return new Map([["handle_token", variant("s", name)]]);
}

function handle(peer: BusPeer, name: string): string {
  return `${portalPath}/request/${peer.name.slice(1).replace(".", "_")}/${name}`;
}

/** Calls Light and waits for the response, which may come at once. */
async function light(peer: BusPeer, name: string, colour = "red"): Promise<readonly unknown[]> {
  const { promise, resolve } = Promise.withResolvers<Message>();
  using _heard = await peer.listen({ path: handle(peer, name), member: "Response" }, resolve);
  const call = { ...lamp, member: "Light", signature: "sa{sv}", values: [colour, token(name)], returns: "o" } as const;
  expect(await peer.call(call)).toEqual([handle(peer, name)]);
  return (await promise).values ?? [];
}

async function errorOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error instanceof BusCallError ? error.errorName : String(error);
}

const close = { destination: portalName, interface: "org.freedesktop.portal.Request", member: "Close" } as const;

describe("a maker's portal", () => {
  test("carries a request out for the app that the gateway knows, with its table and its command", async () => {
    backend(`echo "$1" > ${world.folder}/colour`);
    expect(await light(app, "t1", "green")).toEqual([0, new Map([["colour", variant("s", "green")]])]);
    expect(readFileSync(join(world.folder, "colour"), "utf8")).toBe("green\n");
    expect(asked).toEqual([["org.example.App", "7", "lamp", "light", "ask"]]);
    const get = { ...lamp, interface: "org.freedesktop.DBus.Properties", member: "Get" };
    expect(await app.call({ ...get, signature: "ss", values: [lamp.interface, "version"], returns: "v" })).toEqual([
      variant("u", 1),
    ]);
  });

  test("answers 1 where the app may not, and 2 where its command fails or is missing", async () => {
    says = "no";
    expect(await light(app, "no")).toEqual([1, new Map()]);
    says = "yes";
    backend("exit 3");
    expect(await light(app, "fails")).toEqual([2, new Map()]);
    backend("kill -9 $$");
    expect(await light(app, "dies")).toEqual([2, new Map()]);
    rmSync(command);
    expect(await light(app, "missing")).toEqual([2, new Map()]);
    backend("exit 0");
    expect((await light(app, "again"))[0]).toBe(0);
  });

  test("is what the app sees behind the well-known name", async () => {
    const owner = await app.ownerOf(portalName);
    expect(
      await app.call({ ...lamp, destination: owner, interface: "org.freedesktop.DBus.Peer", member: "Ping" }),
    ).toEqual([]);
    expect(await app.credentialsOf(portalName)).toEqual({ pid: process.pid, uid: process.getuid?.() ?? 0 });
    expect((await app.callBus("ListNames", { returns: "as" }))[0]).toContain(portalName);
    expect((await app.callBus("NameHasOwner", { signature: "s", values: [portalName], returns: "b" }))[0]).toBe(true);
    expect(await errorOf(app.requestName(portalName))).toContain("AccessDenied");
    const stranger = await world.client();
    expect(await errorOf(stranger.call({ ...lamp, destination: "org.example.Other", member: "Light" }))).toContain(
      "ServiceUnknown",
    );
    stranger[Symbol.dispose]();
  });

  test("opens sessions, which end with their Close or their app", async () => {
    const changed = Promise.withResolvers<Message>();
    using _heard = await app.listen({ member: "Changed" }, changed.resolve);
    const options = new Map([["session_handle_token", variant("s", "s1")]]);
    const watch = { ...lamp, member: "Watch", signature: "a{sv}", values: [options], returns: "o" } as const;
    const [path] = await app.call(watch);
    expect((await changed.promise).values?.[0]).toBe(path);
    expect(await errorOf(app.call(watch))).toBe("org.freedesktop.portal.Error.Exists");
    const end = { ...close, interface: "org.freedesktop.portal.Session", path };
    const other = await world.client();
    expect(await errorOf(other.call(end))).toContain("UnknownObject");
    other[Symbol.dispose]();
    await app.call(end);
    expect(await errorOf(app.call(end))).toContain("UnknownObject");
    expect(await app.call(watch)).toEqual([path]);
    await app.call(end);
  });
});

describe("an app that means no good", () => {
  test("cannot close a request of another connection, nor have its response", async () => {
    backend(`while [ ! -e ${world.folder}/go ]; do sleep 0.01; done`);
    const victim = await world.client();
    const response = light(victim, "mine");
    await victim.callBus("GetId", { returns: "s" });
    const heard: unknown[] = [];
    using _heard = await app.listen({ member: "Response" }, (signal) => heard.push(signal));
    expect(await errorOf(app.call({ ...close, path: handle(victim, "mine") }))).toContain("UnknownObject");
    // The token is the victim's, the path is the thief's own.
    expect(await errorOf(app.call({ ...close, path: handle(app, "mine") }))).toContain("UnknownObject");
    writeFileSync(join(world.folder, "go"), "");
    expect((await response)[0]).toBe(0);
    expect(heard).toEqual([]);
    victim[Symbol.dispose]();
    rmSync(join(world.folder, "go"));
  });

  test.each(["", "../x", "a/b", "a-b", "a\nb", "x".repeat(129)])("gets no handle for the token %j", async (name) => {
    const call = { ...lamp, member: "Light", signature: "sa{sv}", values: ["red", token(name)], returns: "o" };
    expect(await errorOf(app.call(call))).toBe("org.freedesktop.portal.Error.InvalidArgument");
    const wrong = new Map([["handle_token", variant("u", 1)]]);
    expect(await errorOf(app.call({ ...call, values: ["red", wrong] }))).toContain("InvalidArgument");
  });

  test("opens no more requests than allowed, and closing them lets others in", async () => {
    backend("exec sleep 1000");
    const flooder = await world.client();
    const call = (name: string) =>
      flooder.call({ ...lamp, member: "Light", signature: "sa{sv}", values: ["red", token(name)], returns: "o" });
    for (let index = 0; index < limits.portalRequests; index++) await call(`t${index}`);
    expect(await errorOf(call("more"))).toContain("LimitsExceeded");
    expect(await errorOf(call("t0"))).toMatch(/Exists|LimitsExceeded/);
    await flooder.call({ ...close, path: handle(flooder, "t0") });
    expect(await call("more")).toEqual([handle(flooder, "more")]);
    flooder[Symbol.dispose]();
    backend("exit 0");
    expect((await light(app, "after"))[0]).toBe(0);
  });

  test("ends with its backend's hanging, and the next request works", async () => {
    const pid = join(world.folder, "hangs");
    backend(`trap '' TERM; echo $$ > ${pid}.new; mv ${pid}.new ${pid}; exec sleep 1000`);
    const path = handle(app, "hangs");
    const call = { ...lamp, member: "Light", signature: "sa{sv}", values: ["red", token("hangs")], returns: "o" };
    await app.call(call);
    await until("the command runs", () => existsSync(pid));
    await app.call({ ...close, path });
    expect(await errorOf(app.call({ ...close, path }))).toContain("UnknownObject");
    backend("exit 0");
    expect((await light(app, "next"))[0]).toBe(0);
    process.kill(Number(readFileSync(pid, "utf8")), "SIGKILL");
  });
});
