// SPDX-License-Identifier: Apache-2.0
// Services that apps export to other apps, with the real permission store; what a desktop's dialog answers is said here.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeValues } from "../../../src/formats/dbus/encode.ts";
import { messageType } from "../../../src/formats/dbus/header.ts";
import { dowelPath } from "../../e2e/support.ts";
import { busName, Child, RawPeer, startBus, type TestBus } from "../../support/bus.ts";
import { FakeSandbox, ServiceProcess } from "./support.ts";

const app = "org.test.Asker";
const shared = "org.test.Shared";
const hidden = "org.test.Unexported";
const denied = `${busName}.Error.AccessDenied`;
const policy = [app, "session", "--filter", `--ask=${shared}`, `--ask=${hidden}`];
const call = { path: "/x", interface: "org.test.Iface", member: "Do", destination: shared };

let folder = "";
let bus: TestBus;
let store: Child;
let provider: RawPeer;
let service: ServiceProcess;
let environment: Record<string, string>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "dowel-consents-"));
  bus = await startBus(folder);
  environment = {
    DBUS_SESSION_BUS_ADDRESS: bus.address,
    DOWEL_USER_DIR: join(folder, "user"),
    DOWEL_SYSTEM_DIR: join(folder, "system"),
    XDG_DATA_HOME: join(folder, "data"),
    XDG_DATA_DIRS: join(folder, "share"),
    XDG_RUNTIME_DIR: folder,
    HOME: folder,
  };
  for (const name of ["data", "share/xdg-desktop-portal/portals", "user/exports/share/dbus-1/services"])
    mkdirSync(join(folder, name), { recursive: true });
  writeFileSync(join(folder, `user/exports/share/dbus-1/services/${shared}.service`), "");
  const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  store = new Child(["env", ...variables, "/usr/libexec/xdg-permission-store"], ["ignore", "ignore", "ignore"]);
  provider = await RawPeer.connect(bus.socket);
  while ((await provider.callBus("NameHasOwner", "org.freedesktop.impl.portal.PermissionStore")).values[0] !== 1)
    await Bun.sleep(5);
  await provider.callBus("RequestName", shared);
  provider.onMessage = ({ type, sender, serial }) => {
    if (type === messageType.call)
      provider.send({ type: messageType.return, destination: sender, replySerial: serial });
  };
  service = await ServiceProcess.start(folder, [], environment);
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
  provider[Symbol.dispose]();
  await store[Symbol.asyncDispose]();
  await bus[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

function dowel(...words: string[]): string {
  const { status, stdout, stderr } = spawnSync(dowelPath, words, {
    env: { ...process.env, ...environment },
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(stderr);
  return stdout;
}

function permissions(): unknown {
  return JSON.parse(dowel("permissions", "services", "--json"));
}

function hand(number: string): FakeSandbox {
  const sandbox = new FakeSandbox(folder, number, bus.socket);
  sandbox.handOver(join(folder, "dowel/session.sock"), policy);
  return sandbox;
}

/** A desktop that can ask; it answers when it is told to. */
async function startDialog(): Promise<{ peer: RawPeer; asked: readonly string[]; answer: (response: number) => void }> {
  const peer = await RawPeer.connect(bus.socket);
  await peer.callBus("RequestName", "org.test.Dialog");
  const asked: string[] = [];
  const open: { sender: string; serial: number }[] = [];
  peer.onMessage = ({ type, sender, serial, member }) => {
    if (type !== messageType.call) return;
    asked.push(member);
    open.push({ sender, serial });
  };
  const answer = (response: number): void => {
    for (const { sender, serial } of open.splice(0))
      peer.send({
        type: messageType.return,
        destination: sender,
        replySerial: serial,
        signature: "ua{sv}",
        body: (writer) => writeValues(writer, "ua{sv}", [response, new Map()], []),
      });
  };
  const keyfile = "[portal]\nDBusName=org.test.Dialog\nInterfaces=org.freedesktop.impl.portal.Access\n";
  writeFileSync(join(folder, "share/xdg-desktop-portal/portals/test.portal"), keyfile);
  return { peer, asked, answer };
}

describe("a service of another app", () => {
  test("is seen, and refused with the command that allows it; what is set and taken back counts at once", async () => {
    await using sandbox = hand("1");
    using client = await RawPeer.connect(sandbox.socket);
    expect((await client.callBus("GetNameOwner", shared)).values).toEqual([provider.name]);
    const refused = await client.ask(call);
    expect(refused).toMatchObject({ errorName: denied });
    expect(String(refused?.values[0])).toContain(`dowel permission-set services ${shared} ${app} yes`);
    expect((await client.callBus("StartServiceByName", shared)).errorName).toBe(denied);
    expect((await client.ask({ ...call, destination: provider.name }))?.errorName).toBe(denied);
    dowel("permission-set", "services", shared, app, "yes");
    expect((await client.ask(call))?.type).toBe(messageType.return);
    expect((await client.ask({ ...call, destination: provider.name }))?.type).toBe(messageType.return);
    dowel("permission-remove", "services", shared, app);
    while ((await client.ask(call))?.errorName !== denied) await Bun.sleep(5);
    expect((await client.ask({ ...call, destination: provider.name }))?.errorName).toBe(denied);
  });

  test("is decided by the files of the store where none runs, and what is taken back there counts", async () => {
    const own = mkdtempSync(join(folder, "storeless-"));
    await using bare = await startBus(own);
    using echo = await RawPeer.connect(bare.socket);
    await echo.callBus("RequestName", shared);
    echo.onMessage = ({ type, sender, serial }) => {
      if (type === messageType.call) echo.send({ type: messageType.return, destination: sender, replySerial: serial });
    };
    const other = {
      ...environment,
      DBUS_SESSION_BUS_ADDRESS: bare.address,
      XDG_RUNTIME_DIR: own,
      XDG_DATA_HOME: join(own, "data"),
    };
    const set = (...words: string[]): void =>
      void expect(spawnSync(dowelPath, words, { env: { ...process.env, ...other } }).status).toBe(0);
    await using _service = await ServiceProcess.start(own, [], other);
    await using sandbox = new FakeSandbox(own, "1", bare.socket);
    sandbox.handOver(join(own, "dowel/session.sock"), policy);
    using client = await RawPeer.connect(sandbox.socket);
    expect((await client.ask(call))?.errorName).toBe(denied);
    set("permission-set", "services", shared, app, "yes");
    expect((await client.ask(call))?.type).toBe(messageType.return);
    set("permission-remove", "services", shared, app);
    while ((await client.ask(call))?.errorName !== denied) await Bun.sleep(5);
  });

  test("that no app exports cannot be asked for", async () => {
    await using sandbox = hand("2");
    using client = await RawPeer.connect(sandbox.socket);
    const refused = await client.ask({ ...call, destination: hidden });
    expect(refused).toMatchObject({ errorName: denied, values: [`No app exports ${hidden}`] });
  });

  test("is asked for once by the desktop, whose answer is kept; meanwhile the client goes on", async () => {
    const { peer, asked, answer } = await startDialog();
    using _peer = peer;
    await using sandbox = hand("3");
    using client = await RawPeer.connect(sandbox.socket);
    const calls = [client.ask(call), client.ask(call)];
    await peer.until(() => asked.length > 0);
    expect((await client.callBus("GetId")).type).toBe(messageType.return);
    answer(0);
    expect((await Promise.all(calls)).map((one) => one?.type)).toEqual([messageType.return, messageType.return]);
    expect(asked).toEqual(["AccessDialog"]);
    expect(JSON.stringify(permissions())).toContain('"yes"');
    dowel("permission-set", "services", shared, app, "no");
    while ((await client.ask(call))?.errorName !== denied) await Bun.sleep(5);
    dowel("permission-remove", "services", shared, app);
    const again = client.ask(call);
    await peer.until(() => asked.length > 1);
    answer(1);
    expect((await again)?.errorName).toBe(denied);
    expect(JSON.stringify(permissions())).toContain('"no"');
    dowel("permission-remove", "services", shared, app);
  });

  test("keeps what a client sends meanwhile within bounds", async () => {
    const { peer, asked } = await startDialog();
    using _peer = peer;
    await using sandbox = hand("4");
    using client = await RawPeer.connect(sandbox.socket);
    using other = await RawPeer.connect(sandbox.socket);
    void client.ask(call);
    await peer.until(() => asked.length > 0);
    for (let count = 0; count < 100; count++) client.send({ ...call, type: messageType.call });
    await client.until(() => client.closed);
    expect((await other.callBus("GetId")).type).toBe(messageType.return);
  });
});
