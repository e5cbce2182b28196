// SPDX-License-Identifier: Apache-2.0
// Peers on a real dbus-daemon, and the tools of others against objects of ours.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFile } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, readSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { BusCallError } from "../../src/dbus/errors.ts";
import { type InterfaceShape, implement } from "../../src/dbus/interface.ts";
import { BusPeer } from "../../src/dbus/peer.ts";
import { type Variant, variant } from "../../src/formats/dbus/types.ts";
import { EventLoop } from "../../src/loop/loop.ts";
import { RawPeer, startBus, type TestBus } from "../support/bus.ts";

const shelf = {
  name: "org.example.Shelf",
  methods: {
    Put: { in: "s title, a{sv} options", out: "u place" },
    Copy: { in: "h file", out: "ay content, h again" },
    Fail: { in: "s how", out: "" },
    Never: { in: "", out: "" },
    Echo: { in: "v value", out: "v value" },
  },
  signals: { Put: "s title" },
  properties: { version: "u", label: "s" },
  writable: ["label"],
} as const satisfies InterfaceShape;
const at = { destination: "org.example.Shelf", path: "/org/example/Shelf", interface: "org.example.Shelf" } as const;

let folder: string;
let bus: TestBus;
let loop: EventLoop;
let running: Promise<void>;
let server: BusPeer;
let client: BusPeer;
const never = Promise.withResolvers<void>();

function read(fd: number): Uint8Array {
  const buffer = Buffer.alloc(100);
  return Uint8Array.from(buffer.subarray(0, readSync(fd, buffer, 0, 100, 0)));
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "dowel-peer-"));
  bus = await startBus(folder);
  loop = new EventLoop();
  // Files and processes of these tests are the engine's.
  running = loop.runUntil(never.promise);
  server = await BusPeer.connect(loop, [{ path: bus.socket }]);
  client = await BusPeer.connect(loop, [{ path: bus.socket }]);
  let label = "books";
  server.objects.export(
    at.path,
    implement(shelf, {
      methods: {
        Put(_call, title, options) {
          server.emit(at.path, shelf, "Put", [title]);
          return [title.length + options.size];
        },
        Copy: (_call, file) => [read(file), file],
        Fail(_call, how) {
          if (how === "named") throw new BusCallError("org.example.Error.Full", "The shelf is full");
          throw new Error("a secret");
        },
        Never: () => never.promise.then(() => [] as const),
        Echo: (_call, value) => [value],
      },
      properties: { version: () => 3, label: () => label },
      write: {
        label(_call, value) {
          label = String(value);
        },
      },
    }),
  );
  expect(await server.requestName(at.destination)).toBe("owner");
});
afterAll(async () => {
  client[Symbol.dispose]();
  server[Symbol.dispose]();
  never.resolve();
  await running;
  loop[Symbol.dispose]();
  await bus[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

async function failure(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error instanceof BusCallError ? `${error.errorName}: ${error.message}` : String(error);
}

describe("BusPeer", () => {
  test("call() carries typed values both ways", async () => {
    const options = new Map([["colour", variant("s", "red")]]);
    const [place] = await client.call({
      ...at,
      member: "Put",
      signature: "sa{sv}",
      values: ["Öl", options],
      returns: "u",
    });
    expect(place).toBe(3);
    const values: readonly Variant[] = [
      variant("y", 255),
      variant("b", true),
      variant("n", -32768),
      variant("q", 65535),
      variant("i", -2147483648),
      variant("u", 4294967295),
      variant("x", -9223372036854775808n),
      variant("t", 18446744073709551615n),
      variant("d", -0.5),
      variant("o", "/a/b"),
      variant("g", "a{sv}"),
      variant("ay", Uint8Array.of(1, 2)),
      variant("a(sub)", [
        ["a", 1, true],
        ["b", 2, false],
      ]),
      variant("a{u(ss)}", new Map([[7, ["x", "y"]]])),
      variant("v", variant("as", [])),
      variant("at", []),
    ];
    for (const value of values) {
      const [echoed] = await client.call({ ...at, member: "Echo", signature: "v", values: [value], returns: "v" });
      expect(echoed).toEqual(value);
    }
  });

  test("call() passes descriptors both ways and leaves the caller its own", async () => {
    const file = join(folder, "file");
    writeFileSync(file, "content");
    const fd = openSync(file, "r");
    const call = { ...at, member: "Copy", signature: "h", values: [fd], returns: "ayh" } as const;
    const [content, again] = await client.call(call, { keepDescriptors: true });
    expect(Buffer.from(content).toString()).toBe("content");
    expect(again).not.toBe(fd);
    expect(readFileSync(again, "utf8")).toBe("content");
    closeSync(again);
    closeSync(fd);
  });

  test("call() throws the error that came, by its name, and tells nothing that is not meant for others", async () => {
    const fail = (how: string) => failure(client.call({ ...at, member: "Fail", signature: "s", values: [how] }));
    expect(await fail("named")).toBe("org.example.Error.Full: The shelf is full");
    expect(await fail("otherwise")).toBe("org.freedesktop.DBus.Error.Failed: The call failed");
    expect(await failure(client.call({ ...at, member: "Take" }))).toStartWith(
      "org.freedesktop.DBus.Error.UnknownMethod",
    );
    expect(await failure(client.call({ ...at, member: "Put", signature: "s", values: ["x"] }))).toStartWith(
      "org.freedesktop.DBus.Error.InvalidArgs",
    );
    expect(await failure(client.call({ ...at, path: "/other", member: "Put" }))).toContain("UnknownObject");
    expect(await failure(client.call({ ...at, interface: "org.example.Other", member: "Put" }))).toContain(
      "UnknownInterface",
    );
    expect(await failure(client.call({ ...at, destination: "org.example.Nobody", member: "Put" }))).toContain(
      "ServiceUnknown",
    );
  });

  test("call() ends with the time, the signal and the connection", async () => {
    const wait = { ...at, member: "Never" };
    expect(await failure(client.call(wait, { timeoutMilliseconds: 1 }))).toContain("NoReply");
    const abort = new AbortController();
    const aborted = failure(client.call(wait, { signal: abort.signal }));
    abort.abort();
    expect(await aborted).toContain("cancelled");
    const other = await BusPeer.connect(loop, [{ path: bus.socket }]);
    const ended = failure(other.call(wait));
    other[Symbol.dispose]();
    expect(await ended).toContain("Disconnected");
    expect(await failure(other.callBus("GetId", { returns: "s" }))).toContain("Disconnected");
  });

  test("listen() follows a name to its owner, and hears nobody else", async () => {
    const heard: unknown[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    using _listening = await client.listen({ sender: at.destination, member: "Put" }, ({ values }) => {
      heard.push(values?.[0]);
      if (values?.[0] === "end") resolve();
    });
    const stranger = await BusPeer.connect(loop, [{ path: bus.socket }]);
    using _all = await client.listen({ interface: shelf.name }, () => undefined);
    stranger.emit(at.path, shelf, "Put", ["forged"]);
    await stranger.callBus("GetId", { returns: "s" });
    stranger[Symbol.dispose]();
    for (const title of ["first", "end"]) {
      await client.call({ ...at, member: "Put", signature: "sa{sv}", values: [title, new Map()], returns: "u" });
    }
    await promise;
    expect(heard).toEqual(["first", "end"]);
  });

  test("requestName() tells whose name it is, and when it is lost", async () => {
    const lost = Promise.withResolvers<void>();
    const name = "org.example.Wanted";
    expect(await server.requestName(name, { allowReplacement: true, lost: lost.resolve })).toBe("owner");
    expect(await server.requestName(name, { allowReplacement: true, lost: lost.resolve })).toBe("already");
    expect(await client.requestName(name)).toBe("taken");
    const owners: string[] = [];
    using _watch = await client.watchOwner(name, (owner) => owners.push(owner));
    expect(await client.requestName(name, { replace: true })).toBe("owner");
    await lost.promise;
    expect(await server.ownerOf(name)).toBe(client.name);
    await client.releaseName(name);
    expect(await server.ownerOf(name)).toBe("");
    await client.callBus("GetId", { returns: "s" });
    expect(owners).toEqual([client.name, ""]);
  });

  test("credentialsOf() tells the process that connected", async () => {
    const found = await client.credentialsOf(server.name);
    expect(found).toEqual({ pid: process.pid, uid: process.getuid?.() ?? -1 });
  });

  test("a descriptor that did not come is an error of the call, and the connection goes on", async () => {
    using raw = await RawPeer.connect(bus.socket);
    const copy = {
      ...at,
      member: "Copy",
      signature: "h",
      body: (writer: { uint32(n: number): never }) => writer.uint32(0),
    };
    const answer = await raw.ask(copy as unknown as Parameters<RawPeer["ask"]>[0]);
    expect(answer?.errorName).toBe("org.freedesktop.DBus.Error.InvalidArgs");
    expect((await raw.ask({ ...at, interface: "org.freedesktop.DBus.Peer", member: "Ping" }))?.type).toBe(2);
  });
});

describe("tools of others", () => {
  const run = promisify(execFile);
  const gdbus = async (verb: string, ...words: string[]): Promise<string> => {
    const place = ["--dest", at.destination, "--object-path", at.path];
    return (await run("gdbus", [verb, "--address", bus.address, ...place, ...words], { encoding: "utf8" })).stdout;
  };

  test("gdbus reads the introspection and calls by it", async () => {
    const xml = await gdbus("introspect", "--xml");
    expect(xml).toContain('<method name="Copy">');
    expect(xml).toContain('<property name="label" type="s" access="readwrite"/>');
    expect(await gdbus("introspect")).toContain('readwrite s label = "books"'.replaceAll('"', "'"));
    expect(await gdbus("call", "--method", "org.example.Shelf.Put", "abc", "{}")).toBe("(uint32 3,)\n");
    expect(await gdbus("call", "--method", "org.example.Shelf.Echo", "<{'a': <(1, true)>}>")).toBe(
      "(<{'a': <(1, true)>}>,)\n",
    );
    const properties = "org.freedesktop.DBus.Properties";
    await gdbus("call", "--method", `${properties}.Set`, shelf.name, "label", "<'tools'>");
    expect(await gdbus("call", "--method", `${properties}.Get`, shelf.name, "label")).toBe("(<'tools'>,)\n");
    const refused = gdbus("call", "--method", `${properties}.Set`, shelf.name, "version", "<uint32 4>");
    expect(await failure(refused)).toContain("PropertyReadOnly");
  });
});
