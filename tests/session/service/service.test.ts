// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeHandover } from "../../../src/session/service/handover.ts";
import { askStatus, type SessionStatus } from "../../../src/session/service/status.ts";
import { libc } from "../../../src/sys/libc.ts";
import { connectUnix, listenUnix } from "../../../src/sys/sockets.ts";
import { closeDescriptors } from "../../../src/sys/transfer.ts";
import { dowelPath } from "../../e2e/support.ts";
import { busName, RawPeer, startBus, type TestBus } from "../../support/bus.ts";
import { FakeSandbox, ServiceProcess, sendPacket } from "./support.ts";

let folder = "";
let bus: TestBus;
let hidden: RawPeer;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "dowel-session-"));
  bus = await startBus(folder);
  hidden = await RawPeer.connect(bus.socket);
  await hidden.callBus("RequestName", "org.test.Hidden");
});

afterAll(async () => {
  hidden[Symbol.dispose]();
  await bus[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const policy = ["org.test.App", "session", "--filter", "--own=org.test.App.*", "--see=org.test.Seen"];
const call = { path: "/x", interface: "org.test.Iface", member: "Do" };

/** A service in a runtime folder of its own. */
async function startService(words: readonly string[] = []) {
  const runtime = mkdtempSync(join(folder, "runtime-"));
  const service = await ServiceProcess.start(runtime, words);
  return { runtime, service, socket: join(runtime, "dowel/session.sock") };
}

/** The status once it is as expected; the service learns of ends by itself. */
async function statusWhen(socket: string, expected: (status: SessionStatus) => boolean): Promise<SessionStatus> {
  for (;;) {
    const status = askStatus(socket);
    if (expected(status)) return status;
    await Bun.sleep(5);
  }
}

describe("session serve", () => {
  test("serves an instance by its policy, over connections that its monitor opened", async () => {
    const { service, socket } = await startService();
    await using _service = service;
    await using sandbox = new FakeSandbox(folder, "11", bus.socket);
    // Whoever connects first waits.
    const waiting = RawPeer.connect(sandbox.socket);
    sandbox.handOver(socket, policy);
    using client = await waiting;
    expect((await client.ask({ ...call, destination: "org.test.Hidden" }))?.errorName).toBe(
      `${busName}.Error.ServiceUnknown`,
    );
    expect((await client.callBus("RequestName", "org.test.App.Main")).values).toEqual([1]);
    expect((await hidden.callBus("GetConnectionUnixProcessID", client.name)).values).toEqual([process.pid]);
    expect(sandbox.asked).toBe(1);
    const { instances, pid } = askStatus(socket);
    expect(pid).toBe(service.process.pid ?? 0);
    expect(instances).toMatchObject([
      {
        instance: "11",
        app: "org.test.App",
        buses: { session: { connections: 1, denied: 1 } },
        denials: [{ bus: "session", name: "org.test.Hidden", call: "org.test.Iface.Do", path: "/x", count: 1 }],
      },
    ]);
  });

  test("forgets an instance when it ends, and ends its connections", async () => {
    const { service, socket } = await startService();
    await using _service = service;
    await using sandbox = new FakeSandbox(folder, "12", bus.socket);
    await using other = new FakeSandbox(folder, "13", bus.socket);
    for (const one of [sandbox, other]) one.handOver(socket, policy);
    using client = await RawPeer.connect(sandbox.socket);
    using bystander = await RawPeer.connect(other.socket);
    await sandbox.end();
    await client.until(() => client.closed);
    const { instances } = await statusWhen(socket, (status) => status.instances.length === 1);
    expect(instances[0]?.instance).toBe("13");
    await bystander.settle();
    expect(bystander.closed).toBe(false);
  });

  test("a monitor that does not answer keeps only its own clients waiting", async () => {
    const { service, socket } = await startService();
    await using _service = service;
    await using stuck = new FakeSandbox(folder, "14", bus.socket);
    await using other = new FakeSandbox(folder, "15", bus.socket);
    stuck.answers = false;
    for (const one of [stuck, other]) one.handOver(socket, policy);
    const waiting = RawPeer.connect(stuck.socket);
    using client = await RawPeer.connect(other.socket);
    await client.settle();
    stuck.answers = true;
    (await waiting)[Symbol.dispose]();
  });

  test("a monitor that dies ends its own clients, those that wait for it too, and no other", async () => {
    const { service, socket } = await startService();
    await using _service = service;
    await using dying = new FakeSandbox(folder, "24", bus.socket);
    await using other = new FakeSandbox(folder, "25", bus.socket);
    for (const one of [dying, other]) one.handOver(socket, policy);
    using bystander = await RawPeer.connect(other.socket);
    using client = await RawPeer.connect(dying.socket);
    dying.answers = false;
    const waiting = RawPeer.connect(dying.socket).then(
      () => "served",
      () => "ended",
    );
    await statusWhen(socket, ({ instances }) => instances.some(({ buses }) => buses.session?.connections === 2));
    dying.loseMonitor();
    await client.until(() => client.closed);
    expect(await waiting).toBe("ended");
    const { instances } = await statusWhen(socket, (status) => status.instances.length === 1);
    expect(instances[0]?.instance).toBe("25");
    await bystander.settle();
  });

  test("takes instances over again after it was killed, at the sockets that the sandboxes have", async () => {
    const { service, socket, runtime } = await startService();
    await using sandbox = new FakeSandbox(folder, "16", bus.socket);
    sandbox.handOver(socket, policy);
    using client = await RawPeer.connect(sandbox.socket);
    await service[Symbol.asyncDispose]();
    await client.until(() => client.closed);
    const waiting = RawPeer.connect(sandbox.socket);
    await using _second = await ServiceProcess.start(runtime);
    sandbox.handOver(socket, policy);
    (await waiting)[Symbol.dispose]();
  });

  test("a bus that restarts ends the connections to it, and serves new ones of the same sandbox", async () => {
    const { service, socket } = await startService();
    await using _service = service;
    const own = mkdtempSync(join(folder, "restarting-"));
    const first = await startBus(own);
    await using sandbox = new FakeSandbox(folder, "19", first.socket);
    sandbox.handOver(socket, policy);
    using client = await RawPeer.connect(sandbox.socket);
    await first[Symbol.asyncDispose]();
    await client.until(() => client.closed);
    rmSync(first.socket, { force: true });
    await using _second = await startBus(own);
    using next = await RawPeer.connect(sandbox.socket);
    expect((await next.callBus("GetId")).type).toBe(2);
    expect(askStatus(socket).instances).toMatchObject([{ buses: { session: { connections: 1 } } }]);
  });

  test("an instance that is handed over twice counts once", async () => {
    const { service, socket } = await startService();
    await using _service = service;
    await using sandbox = new FakeSandbox(folder, "17", bus.socket);
    sandbox.handOver(socket, policy);
    sandbox.handOver(socket, policy);
    (await RawPeer.connect(sandbox.socket))[Symbol.dispose]();
    expect(askStatus(socket).instances).toHaveLength(1);
  });

  test("refuses handovers that make no sense, and keeps none of their descriptors", async () => {
    const { service, socket } = await startService();
    await using _service = service;
    const open = (): number => readdirSync(`/proc/${service.process.pid}/fd`).length;
    askStatus(socket);
    const before = open();
    const good = encodeHandover("5", ["session"], false);
    const file = openSync("/dev/null", "r");
    const changed = (at: number, value: number): Uint8Array => {
      const bytes = Uint8Array.from(good);
      bytes[at] = value;
      return bytes;
    };
    const packets: readonly (readonly [Uint8Array, number])[] = [
      [Buffer.from("hello"), 0],
      [good, 0],
      [good, 3],
      [good, 5],
      [changed(0, 0x44 + 1), 4],
      [changed(8, 2), 4],
      [changed(12, 8), 4],
      [changed(12, 0), 4],
      [changed(16, 2), 4],
      [changed(20, 0x30), 4],
      [changed(21, 0x2f), 4],
      [good, 4],
    ];
    for (const [packet, count] of packets) {
      const connection = connectUnix({ path: socket }, "packets");
      sendPacket(connection, packet, Array(count).fill(file));
      closeSync(connection);
    }
    closeSync(file);
    expect((await statusWhen(socket, () => open() <= before + 1)).instances).toEqual([]);
  });

  test("refuses to run twice for one user", async () => {
    const { service, runtime } = await startService();
    await using _service = service;
    const second = spawnSync(dowelPath, ["session", "serve"], {
      env: { ...process.env, XDG_RUNTIME_DIR: runtime },
      encoding: "utf8",
    });
    expect([second.status, second.stderr]).toEqual([1, expect.stringContaining("SESSION_RUNNING")]);
  });

  test("ends by itself when there was nothing to do, and when it is told", async () => {
    const idle = await startService(["--linger=0"]);
    expect(await idle.service.exit).toEqual([0, null]);
    const told = await startService();
    told.service.process.kill("SIGTERM");
    expect(await told.service.exit).toEqual([0, null]);
  });

  test("takes the socket that a service manager opened", async () => {
    const runtime = mkdtempSync(join(folder, "runtime-"));
    const path = join(runtime, "given.sock");
    const given = listenUnix({ path }, "packets");
    // As managers open it, accept(2) waits.
    libc.fcntl(given, 4, 0);
    // Asked before there is a service: the question waits in the socket.
    const child = spawn("sh", ["-c", 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" session serve', dowelPath], {
      env: { ...process.env, XDG_RUNTIME_DIR: runtime },
      stdio: ["ignore", "pipe", "ignore", given],
    });
    await once(child.stdout ?? child, "data");
    expect(askStatus(path).instances).toEqual([]);
    child.kill("SIGTERM");
    expect(await once(child, "exit")).toEqual([0, null]);
    closeDescriptors([given]);
  });
});

describe("session status", () => {
  test("prints a line for each bus of each instance, or JSON, or that nothing listens", async () => {
    const { service, socket, runtime } = await startService();
    await using _service = service;
    await using sandbox = new FakeSandbox(folder, "18", bus.socket);
    sandbox.handOver(socket, policy);
    await statusWhen(socket, ({ instances }) => instances.length === 1);
    const ask = (...words: string[]) =>
      spawnSync(dowelPath, ["session", "status", ...words], {
        env: { ...process.env, XDG_RUNTIME_DIR: runtime },
        encoding: "utf8",
      });
    expect(ask().stdout).toBe("18\torg.test.App\tsession\t0\t0\t0\t0\n");
    expect(JSON.parse(ask("--json").stdout)).toMatchObject({ instances: [{ app: "org.test.App" }] });
    await service[Symbol.asyncDispose]();
    expect(ask().stderr).toContain("SESSION_UNREACHABLE");
  });
});
