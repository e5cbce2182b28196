// SPDX-License-Identifier: Apache-2.0
// Bodies too long to be looked at, which the gateway hands on unseen.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { messageType } from "../../src/formats/dbus/header.ts";
import { encodeMessage, type MessageFields } from "../../src/formats/dbus/write.ts";
import { dowelPath } from "../e2e/support.ts";
import { busName, type Child, RawPeer, startBus, startProxy, type TestBus } from "../support/bus.ts";

let folder = "";
let bus: TestBus;
let proxy: Child;
let socket = "";
let hidden: RawPeer;
let friend: RawPeer;

const call = { path: "/x", interface: "org.test.Iface", member: "Do" };

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "dowel-bodies-"));
  bus = await startBus(folder);
  socket = join(folder, "proxy");
  hidden = await RawPeer.connect(bus.socket);
  friend = await RawPeer.connect(bus.socket);
  await hidden.callBus("RequestName", "org.test.Hidden");
  await friend.callBus("RequestName", "org.test.Friend");
  const words = [bus.address, socket, "--filter", "--talk=org.test.Friend"];
  proxy = await startProxy([dowelPath, "plumbing", "bus-proxy"], words);
});

afterAll(async () => {
  hidden[Symbol.dispose]();
  friend[Symbol.dispose]();
  await proxy[Symbol.asyncDispose]();
  await bus[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

describe("a long body", () => {
  const smuggled = Buffer.concat(
    Array.from({ length: 3000 }, (_, serial) =>
      encodeMessage({ ...call, type: messageType.call, serial: serial + 500, destination: "org.test.Hidden" }),
    ),
  );
  const long = {
    ...call,
    signature: "ay",
    body: (writer: Parameters<NonNullable<MessageFields["body"]>>[0]) => writer.uint32(smuggled.length).bytes(smuggled),
  };

  test("that looks like messages passes as a body, and what follows it is judged", async () => {
    using client = await RawPeer.connect(socket);
    friend.received.length = hidden.received.length = 0;
    client.send({ ...long, type: messageType.call, destination: "org.test.Friend" });
    const denied = await client.ask({ ...call, destination: "org.test.Hidden" });
    expect(denied?.errorName).toBe(`${busName}.Error.ServiceUnknown`);
    await friend.until(() => friend.received.some(({ member, sender }) => member === "Do" && sender === client.name));
    await hidden.settle();
    expect(hidden.received.filter(({ type }) => type === messageType.call)).toEqual([]);
  });

  test("of a refused message goes nowhere, and the connection goes on", async () => {
    using client = await RawPeer.connect(socket);
    hidden.received.length = 0;
    const denied = await client.ask({ ...long, destination: "org.test.Hidden" });
    expect(denied?.errorName).toBe(`${busName}.Error.ServiceUnknown`);
    await client.settle();
    await hidden.settle();
    expect(hidden.received.filter(({ type }) => type === messageType.call)).toEqual([]);
  });

  test("of which only a part comes reaches nobody, and its connection ends", async () => {
    for (const part of [100, 20_000, 100_000, 250_000]) {
      const client = await RawPeer.connect(socket);
      const { name } = client;
      friend.received.length = 0;
      const whole = encodeMessage({ ...long, type: messageType.call, serial: 99, destination: "org.test.Friend" });
      expect(whole.length).toBeGreaterThan(part);
      client.write(whole.subarray(0, part));
      client.end();
      await client.until(() => client.closed);
      while ((await friend.callBus("NameHasOwner", name)).values[0] === 1) await setImmediate();
      using next = await RawPeer.connect(socket);
      await next.settle();
      expect(friend.received.filter(({ member }) => member === "Do")).toEqual([]);
    }
  });

  test("whose receiver goes away ends its connection alone", async () => {
    using other = await RawPeer.connect(socket);
    const client = await RawPeer.connect(socket);
    friend.send({ ...long, type: messageType.call, destination: other.name });
    friend.send({ ...long, type: messageType.call, destination: client.name });
    client[Symbol.dispose]();
    while ((await friend.callBus("NameHasOwner", client.name)).values[0] === 1) await setImmediate();
    await other.until(() => other.received.some(({ member }) => member === "Do"));
    await other.settle();
  });
});
