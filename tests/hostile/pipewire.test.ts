// SPDX-License-Identifier: Apache-2.0
// Clients of PipeWire that keep to no protocol, against PipeWire itself behind the service's link.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createConnection, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { write } from "../../src/formats/pod/write.ts";
import { Listener } from "../../src/loop/listener.ts";
import { EventLoop } from "../../src/loop/loop.ts";
import { noTraffic } from "../../src/session/bus/stream.ts";
import { PipewireLink } from "../../src/session/pipewire/link.ts";
import { encodeMessage } from "../../src/session/pipewire/message.ts";
import { PipewireServer } from "../../src/session/pipewire/server.ts";
import { soundView } from "../../src/session/pipewire/view.ts";
import { connectUnix, listenUnix } from "../../src/sys/sockets.ts";
import { methods } from "../session/pipewire/messages.ts";
import { Child } from "../support/bus.ts";
import { untilListening } from "../support/listening.ts";
import { until } from "../support/until.ts";

const folder = mkdtempSync(join(tmpdir(), "dowel-pipewire-"));
const gate = join(folder, "gate");
const loop = new EventLoop();
const end = Promise.withResolvers<void>();
const traffic = noTraffic();
const reasons: unknown[] = [];
let pipewire: Child;
let running: Promise<void>;
let listener: Listener;

beforeAll(async () => {
  const environment = { XDG_RUNTIME_DIR: folder, HOME: folder, PATH: "/usr/bin:/bin" };
  pipewire = new Child(["pipewire"], ["ignore", "ignore", "ignore"], environment);
  const socket = join(folder, "pipewire-0");
  await untilListening("PipeWire", socket);
  const server = new PipewireServer(loop, { XDG_RUNTIME_DIR: folder }, folder);
  listener = new Listener(loop, listenUnix({ path: gate }), (fd) => {
    const link = new PipewireLink(loop, fd, {
      view: soundView,
      server,
      leave: { now: async () => new Set(), changes: () => new DisposableStack() },
      traffic,
      ended: (reason) => {
        reasons.push(reason);
        listener.released();
      },
    });
    link.attachFrom(() => connectUnix({ path: socket }));
  });
  running = loop.runUntil(end.promise);
});
afterAll(async () => {
  listener[Symbol.dispose]();
  end.resolve();
  await running;
  loop[Symbol.dispose]();
  await pipewire[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

async function connect(): Promise<Socket> {
  const socket = createConnection(gate);
  socket.on("error", () => undefined);
  await once(socket, "connect");
  return socket;
}

/** What comes until the other end has said this. */
async function hears(socket: Socket, text: string): Promise<void> {
  let heard = "";
  for await (const data of socket) {
    heard += (data as Buffer).toString("latin1");
    if (heard.includes(text)) return;
  }
  throw new Error(`The connection has ended before ${text}`);
}

const greeting = Buffer.concat([methods.hello, methods.describe({ "application.name": "guest" })]);

async function isServed(): Promise<void> {
  const socket = await connect();
  socket.write(Buffer.concat([greeting, methods.getRegistry(2)]));
  await hears(socket, "PipeWire:Interface:Core");
  socket.destroy();
}

const head = (word: number): Buffer => {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt32LE(word >>> 0, 4);
  return bytes;
};

test.each([
  ["zeros", Buffer.alloc(64)],
  [
    "a greeting of an old version",
    Buffer.from("00000000 10000001 10000000 0e000000 04000000 04000000 03000000 00000000".replaceAll(" ", ""), "hex"),
  ],
  ["a giant message", Buffer.concat([greeting, head(0x02ff_ffff)])],
  ["a message without values", Buffer.concat([greeting, head(0x0200_0000)])],
  [
    "a struct that goes beyond the message",
    Buffer.concat([greeting, encodeMessage(0, 5, 0, Buffer.from("ffffff7f0e000000", "hex"))]),
  ],
  [
    "a count of properties without them",
    Buffer.concat([greeting, encodeMessage(1, 2, 0, write.struct(write.struct(write.int(4000))))]),
  ],
  [
    "descriptors that did not come",
    Buffer.concat([greeting, encodeMessage(0, 2, 0, write.struct(), new Uint8Array(), 1)]),
  ],
  ["a second greeting", Buffer.concat([greeting, methods.hello])],
  ["an object in place of another", Buffer.concat([greeting, methods.getRegistry(2), methods.getRegistry(2)])],
  ["a method that PipeWire has not", Buffer.concat([greeting, methods.any(0, 77)])],
  [
    "10,000 objects",
    Buffer.concat([
      greeting,
      methods.getRegistry(2),
      ...Array.from({ length: 10_000 }, (_, index) => methods.bind(2, 9999, "Node", 3 + index)),
    ]),
  ],
])("%s ends the connection, and no other", async (_name, bytes) => {
  const before = reasons.length;
  const socket = await connect();
  socket.resume();
  socket.write(bytes);
  // What was still to be written may fail before.
  await new Promise((done) => socket.once("close", done));
  expect(String(reasons.slice(before))).toContain("DowelError");
  await isServed();
});

test("a client that speaks byte by byte is understood", async () => {
  const socket = await connect();
  const all = Buffer.concat([greeting, methods.getRegistry(2)]);
  for (const byte of all) await new Promise((done) => socket.write(Buffer.from([byte]), done));
  await hears(socket, "PipeWire:Interface:Core");
  socket.destroy();
});

test("a client that does not read is not read, and others are", async () => {
  const socket = await connect();
  socket.pause();
  const sync = methods.any(0, 2, write.int(0), write.int(1));
  const many = Buffer.concat(Array.from({ length: 2000 }, () => sync));
  socket.write(Buffer.concat([greeting, many]));
  const before = traffic.bytes;
  while (socket.writableLength === 0) socket.write(many);
  await isServed();
  expect(traffic.bytes - before).toBeLessThan(64 << 20);
  const ended = reasons.length;
  socket.destroy();
  await until("its end", () => reasons.length > ended);
  expect(traffic.connections).toBe(0);
});
