// SPDX-License-Identifier: Apache-2.0
// What a client of the gateway could try: each published hole of xdg-dbus-proxy, and what a stream of bytes can do wrong.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { closeSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { limits } from "../../src/base/limits.ts";
import { messageFlag, messageType } from "../../src/formats/dbus/header.ts";
import { encodeMessage, type MessageFields } from "../../src/formats/dbus/write.ts";
import { connectUnix } from "../../src/sys/sockets.ts";
import { closeDescriptors, FixedBuffer, receive, transmit, wouldBlock } from "../../src/sys/transfer.ts";
import { dowelPath } from "../e2e/support.ts";
import { busCall, busName, type Child, RawPeer, startBus, startProxy, type TestBus } from "../support/bus.ts";

let folder = "";
let bus: TestBus;
let proxy: Child;
let socket = "";
let hidden: RawPeer;
let friend: RawPeer;

const call = { path: "/x", interface: "org.test.Iface", member: "Do" };
const user = Buffer.from(String(process.getuid?.())).toString("hex");

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "dowel-bus-"));
  bus = await startBus(folder);
  socket = join(folder, "proxy");
  hidden = await RawPeer.connect(bus.socket);
  friend = await RawPeer.connect(bus.socket);
  await hidden.callBus("RequestName", "org.test.Hidden");
  await friend.callBus("RequestName", "org.test.Rules");
  const words = ["--filter", "--call=org.test.Rules=org.test.Iface.Do", "--talk=org.test.Talk"];
  proxy = await startProxy([dowelPath, "plumbing", "bus-proxy"], [bus.address, socket, ...words]);
});

afterAll(async () => {
  hidden[Symbol.dispose]();
  friend[Symbol.dispose]();
  await proxy[Symbol.asyncDispose]();
  await bus[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** What the gateway has in memory. */
function memoryKib(): number {
  const status = readFileSync(`/proc/${proxy.process.pid}/status`, "latin1");
  return Number(/VmRSS:\s+([0-9]+)/.exec(status)?.[1]);
}

/** Whoever was thrown out, others are served. */
async function expectService(): Promise<void> {
  using other = await RawPeer.connect(socket);
  expect((await other.callBus("GetId")).values).toHaveLength(1);
}

async function expectThrownOut(bytes: Uint8Array): Promise<void> {
  using client = await RawPeer.connect(socket);
  client.write(bytes);
  await client.until(() => client.closed);
  await expectService();
}

describe("authentication", () => {
  for (const begin of ["BEGIN ", "BEGIN\t", "BEGIN  x"]) {
    test(`CVE-2018-6560: ${JSON.stringify(begin)} does not open an unfiltered connection`, async () => {
      using client = await RawPeer.open(socket);
      let text = "";
      const hello = encodeMessage({ ...busCall("Hello"), type: messageType.call, serial: 1 });
      const names = encodeMessage({ ...busCall("ListNames"), type: messageType.call, serial: 2 });
      const last = encodeMessage({ ...busCall("GetId"), type: messageType.call, serial: 3 });
      const done = new Promise<void>((resolve) => {
        client.onText((more) => {
          text += more;
          if (/[0-9a-f]{32}\0$/.test(text)) resolve();
        });
      });
      client.write(`\0AUTH EXTERNAL ${user}\r\n${begin}\r\n`);
      client.write(Buffer.concat([hello, names, last]));
      await done;
      expect(text).not.toContain("org.test.Hidden");
      expect(text).toContain("org.test.Rules");
    });
  }

  for (const text of [
    "AUTH EXTERNAL\r\n",
    "\0BEGIN\r\n",
    "\0AUTH EXTERNAL 393939\r\nBEGIN\r\n",
    "\0AUTH EXTERNAL\nBEGIN\n",
    `\0${"A".repeat(20_000)}`,
    `\0${"AUTH\r\n".repeat(200)}`,
  ]) {
    test(`ends at ${JSON.stringify(text.slice(0, 40))}`, async () => {
      using client = await RawPeer.open(socket);
      client.onText(() => undefined);
      client.write(text);
      await client.until(() => client.closed);
      await expectService();
    });
  }
});

describe("rules", () => {
  for (const rule of [
    "eavesdrop=true",
    "eavesdrop =true",
    "type='signal', eavesdrop\t='true'",
    "eavesdrop='fa''lse'",
  ]) {
    test(`CVE-2026-34080: nobody listens in with ${JSON.stringify(rule)}`, async () => {
      using client = await RawPeer.connect(socket);
      expect((await client.callBus("AddMatch", rule)).errorName).toBe(`${busName}.Error.AccessDenied`);
    });
  }

  test("GHSA-r7hp-698j-2h6c: a rule for calls lets no broadcast in", async () => {
    using client = await RawPeer.connect(socket);
    await client.callBus("AddMatch", "type='signal'");
    friend.send({ ...call, type: messageType.signal });
    await friend.settle();
    await client.settle();
    expect(client.received.filter(({ member }) => member === "Do")).toEqual([]);
  });

  test("65,000 of them are as many as the bus keeps, and cost the gateway nothing", async () => {
    using client = await RawPeer.connect(socket);
    const before = memoryKib();
    const add = (index: number) => busCall("AddMatch", `type='signal',arg0='${index}'`);
    for (let index = 0; index < 65_000; index += 500) {
      const some = Array.from({ length: 500 }, (_, offset) =>
        encodeMessage({
          ...add(index + offset),
          type: messageType.call,
          serial: client.nextSerial,
          flags: messageFlag.noReplyExpected,
        }),
      );
      client.write(Buffer.concat(some));
    }
    expect((await client.ask(add(65_000)))?.errorName).toBe(`${busName}.Error.LimitsExceeded`);
    expect(memoryKib() - before).toBeLessThan(128 * 1024);
    await expectService();
  });

  test("the gateway's own match rules cannot be taken away", async () => {
    using client = await RawPeer.connect(socket);
    const rule = `type='signal',sender='${busName}',interface='${busName}',member='NameOwnerChanged',path='/org/freedesktop/DBus',arg0='org.test.Talk'`;
    const answers = [];
    for (const member of ["RemoveMatch", "AddMatch", "RemoveMatch", "RemoveMatch"]) {
      answers.push((await client.callBus(member, rule)).errorName);
    }
    const notFound = `${busName}.Error.MatchRuleNotFound`;
    expect(answers).toEqual([notFound, "", "", notFound]);
    using owner = await RawPeer.connect(bus.socket);
    await owner.callBus("RequestName", "org.test.Talk");
    await client.settle();
    expect((await client.callBus("NameHasOwner", owner.name)).values).toEqual([1]);
  });
});

describe("messages that are not what they look like", () => {
  /** Has a peer call the client, and gives the serial of the call, which stays open. */
  async function openCall(client: RawPeer, peer: RawPeer): Promise<number> {
    const serial = peer.send({ ...call, type: messageType.call, destination: client.name });
    await client.until(() => client.received.some((one) => one.serial === serial && one.sender === peer.name));
    return serial;
  }

  test("CVE-2026-94422: a call or signal with a reply serial is still a call or signal", async () => {
    using client = await RawPeer.connect(socket);
    const replySerial = await openCall(client, hidden);
    const answer = await client.ask({ ...call, destination: hidden.name, replySerial });
    expect(answer?.errorName).toBe(`${busName}.Error.AccessDenied`);
    client.send({ ...call, type: messageType.signal, destination: hidden.name, replySerial });
    await client.settle();
    await hidden.settle();
    expect(hidden.received.filter(({ sender }) => sender === client.name)).toEqual([]);
  });

  test("a reply goes to who asked and to nobody else who used the same serial, and once", async () => {
    using client = await RawPeer.connect(socket);
    const serial = 0x7000;
    for (const peer of [hidden, friend])
      peer.send({ ...call, type: messageType.call, destination: client.name }, serial);
    await client.until(() => client.received.filter((one) => one.serial === serial).length === 2);
    const reply = { type: messageType.return, replySerial: serial };
    for (const destination of [hidden.name, hidden.name, "org.test.Rules", friend.name]) {
      client.send({ ...reply, destination });
    }
    await client.settle();
    for (const peer of [hidden, friend]) {
      await peer.settle();
      expect(
        peer.received.filter(({ replySerial, sender }) => replySerial === serial && sender === client.name),
      ).toHaveLength(1);
    }
  });

  test("a serial that waits for its reply cannot be used for a second call", async () => {
    using client = await RawPeer.connect(socket);
    const names = { ...busCall("ListNames"), type: messageType.call, serial: 0x200 } as const;
    const other = { ...call, type: messageType.call, destination: "org.test.Rules", serial: 0x200 } as const;
    client.write(Buffer.concat([encodeMessage(other), encodeMessage(names)]));
    await client.until(() => client.closed);
    await expectService();
  });

  test("a denied call without a wish for a reply is dropped, and the connection goes on", async () => {
    using client = await RawPeer.connect(socket);
    const flags = messageFlag.noReplyExpected;
    client.send({ ...call, type: messageType.call, destination: "org.test.Hidden", flags });
    await client.settle();
    expect(client.received.filter(({ type }) => type === messageType.error)).toEqual([]);
  });

  test("a call without destination is no way round the filter", async () => {
    using client = await RawPeer.connect(socket);
    const answer = await client.ask({ path: "/", interface: busName, member: "ListNames" });
    expect(JSON.stringify(answer?.values ?? [])).not.toContain("org.test.Hidden");
  });

  test("answers come in the order of the calls, denied ones too", async () => {
    using client = await RawPeer.connect(socket);
    // The signal that tells it its name may come after the answer to Hello.
    await client.settle();
    const from = client.received.length;
    const order: number[] = [];
    for (const name of ["org.test.Hidden", undefined, "org.none", undefined, "org.test.Hidden"]) {
      const message = name === undefined ? busCall("GetId") : { ...call, destination: name };
      order.push(client.send({ ...message, type: messageType.call }));
    }
    await client.settle();
    expect(client.received.slice(from, from + 5).map(({ replySerial }) => replySerial)).toEqual(order);
  });
});

describe("streams", () => {
  const good: MessageFields = { ...call, type: messageType.call, serial: 0x300, destination: "org.test.Rules" };
  const changed = (change: (view: DataView) => void): Uint8Array => {
    const bytes = encodeMessage(good);
    change(new DataView(bytes.buffer, bytes.byteOffset));
    return bytes;
  };
  const broken: readonly (readonly [string, Uint8Array])[] = [
    ["noise", Buffer.alloc(64, 0x41)],
    ["a body of 4 GiB", changed((view) => view.setUint32(4, 0xffff_ffff, true))],
    ["a header of 4 GiB", changed((view) => view.setUint32(12, 0xffff_ffff, true))],
    ["a header past the limit", changed((view) => view.setUint32(12, limits.busHeaderBytes + 8, true))],
    ["padding that is not zero", changed((view) => view.setUint8(31, 1))],
    ["an unknown type", changed((view) => view.setUint8(1, 9))],
    ["descriptors that do not come", encodeMessage({ ...good, unixFds: 3 })],
  ];
  for (const [what, bytes] of broken) test(`end at ${what}`, () => expectThrownOut(bytes));

  test("may end within a message", async () => {
    for (const length of [1, 15, 40, 90]) {
      using client = await RawPeer.connect(socket);
      client.write(encodeMessage(good).subarray(0, length));
      client.end();
      await client.until(() => client.closed);
    }
    await expectService();
  });

  test("of a client that never reads stop with the kernel, and cost nobody else", async () => {
    using greedy = await RawPeer.connect(socket);
    const before = memoryKib();
    const fd = connectUnix({ path: socket });
    const buffer = new FixedBuffer(1 << 20);
    const say = (bytes: Uint8Array): void => {
      buffer.bytes.set(bytes);
      while (transmit(fd, buffer.address, bytes.length, []) === wouldBlock) Bun.sleepSync(1);
    };
    say(Buffer.from(`\0AUTH EXTERNAL ${user}\r\nBEGIN\r\n`));
    say(encodeMessage({ ...busCall("Hello"), type: messageType.call, serial: 1 }));
    const ask = (serial: number): Uint8Array => encodeMessage({ ...busCall("GetId"), type: messageType.call, serial });
    let stuck = 0;
    for (let serial = 2; stuck < 20 && serial < 20_000; serial++) {
      buffer.bytes.set(ask(serial));
      const count = transmit(fd, buffer.address, ask(serial).length, []);
      stuck = count === wouldBlock ? stuck + 1 : 0;
      if (count === wouldBlock) Bun.sleepSync(5);
    }
    await greedy.settle();
    expect(memoryKib() - before).toBeLessThan(64 * 1024);
    closeSync(fd);
    await expectService();
  });
});

describe("descriptors", () => {
  const buffer = new FixedBuffer(1 << 16);

  /** A connection made of system calls, with Hello said and all that came so far read. */
  function connectRaw(): number {
    const fd = connectUnix({ path: socket });
    const hello = encodeMessage({ ...busCall("Hello"), type: messageType.call, serial: 1 });
    say(fd, Buffer.from(`\0AUTH EXTERNAL ${user}\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n`), []);
    say(fd, hello, []);
    let text = "";
    while (!text.includes("NameAcquired")) text += hear(fd, []);
    return fd;
  }

  function say(fd: number, bytes: Uint8Array, descriptors: readonly number[]): void {
    buffer.bytes.set(bytes);
    expect(transmit(fd, buffer.address, bytes.length, descriptors)).toBe(bytes.length);
  }

  /** What comes next; "" at the end. */
  function hear(fd: number, descriptors: number[]): string {
    for (;;) {
      const count = receive(fd, buffer.address, 1 << 16, descriptors);
      if (count !== wouldBlock) return Buffer.from(buffer.bytes.subarray(0, Math.max(0, count))).toString("latin1");
      Bun.sleepSync(1);
    }
  }

  test("pass with their message in both directions", () => {
    const left = connectRaw();
    const right = connectRaw();
    const request = { ...busCall("RequestName", "org.test.Talk"), type: messageType.call, serial: 2 };
    const direct = connectUnix({ path: bus.socket });
    say(direct, Buffer.from(`\0AUTH EXTERNAL ${user}\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n`), []);
    say(direct, encodeMessage({ ...busCall("Hello"), type: messageType.call, serial: 1 }), []);
    say(direct, encodeMessage(request), []);
    let text = "";
    while (!text.includes("org.test.Talk")) text += hear(direct, []);
    const message = { ...call, type: messageType.call, serial: 9, destination: "org.test.Talk", unixFds: 2 };
    say(left, encodeMessage(message), [left, right]);
    const got: number[] = [];
    for (let heard = ""; !heard.includes("org.test.Iface"); ) heard += hear(direct, got);
    expect(got).toHaveLength(2);
    closeDescriptors([left, right, direct, ...got]);
  });

  test("that no message announces end the connection", async () => {
    const fd = connectRaw();
    say(fd, encodeMessage({ ...call, type: messageType.call, serial: 9, destination: "org.test.Talk" }), [fd]);
    while (hear(fd, []) !== "");
    closeSync(fd);
    await expectService();
  });

  test("of a refused message are closed", async () => {
    const open = (): number => readdirSync(`/proc/${proxy.process.pid}/fd`).length;
    const fd = connectRaw();
    const before = open();
    for (let serial = 10; serial < 40; serial++) {
      say(fd, encodeMessage({ ...call, type: messageType.call, serial, destination: "org.none", unixFds: 2 }), [
        fd,
        fd,
      ]);
    }
    let text = "";
    while (text.split("ServiceUnknown").length < 2 * 30) text += hear(fd, []);
    expect(open()).toBeLessThanOrEqual(before);
    closeSync(fd);
    await expectService();
  });
});

describe("crowds", () => {
  test("1,000 connections at once are served or refused, and the next one works", async () => {
    const tries = await Promise.allSettled(Array.from({ length: 1000 }, () => RawPeer.open(socket)));
    const peers = tries.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    for (const peer of peers) {
      peer.onText(() => undefined);
      peer.write("\0AUTH EXTERNAL\r\n");
    }
    for (const peer of peers) peer[Symbol.dispose]();
    expect(peers.length).toBeGreaterThan(0);
    await expectService();
  });

  test("a bus that goes away ends its clients; the proxy lives on and ends when it is told", async () => {
    const own = mkdtempSync(join(tmpdir(), "dowel-bus-"));
    const shortLived = await startBus(own);
    await using second = await startProxy(
      [dowelPath, "plumbing", "bus-proxy"],
      [shortLived.address, join(own, "p"), "--filter"],
    );
    using client = await RawPeer.connect(join(own, "p"));
    await shortLived[Symbol.asyncDispose]();
    await client.until(() => client.closed);
    // It is accepted and closed at once; which of the two this end notices first is open.
    await RawPeer.open(join(own, "p")).then(
      async (late) => {
        late.onText(() => undefined);
        await late.until(() => late.closed);
      },
      (error) => expect(error).toHaveProperty("code", "ECONNRESET"),
    );
    second.process.stdio[3]?.destroy();
    expect(await second.exit).toEqual([0, null]);
    rmSync(own, { recursive: true, force: true });
  });
});
