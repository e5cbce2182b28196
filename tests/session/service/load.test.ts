// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RawPeer, startBus, type TestBus } from "../../support/bus.ts";
import { FakeSandbox, ServiceProcess } from "./support.ts";

let folder = "";
let bus: TestBus;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "dowel-load-"));
  bus = await startBus(folder);
});
afterAll(async () => {
  await bus[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const policy = ["org.test.App", "session", "--filter"];

test("session serve, killed under load, ends its connections and no sandbox; the next one serves them all", async () => {
  await using stack = new AsyncDisposableStack();
  const socket = join(folder, "dowel/session.sock");
  using outside = await RawPeer.connect(bus.socket);
  const sandboxes = ["1", "2", "3", "4"].map((number) => stack.use(new FakeSandbox(folder, number, bus.socket)));
  const first = stack.use(await ServiceProcess.start(folder));
  for (const sandbox of sandboxes) sandbox.handOver(socket, policy);
  let answers = 0;
  const clients = sandboxes.flatMap(({ socket: path }) => Array.from({ length: 5 }, () => RawPeer.connect(path)));
  const busy = clients.map(async (connecting) => {
    using client = await connecting;
    while ((await client.ask({ destination: "org.test.Nobody", path: "/", member: "X" })) !== undefined) {
      if (++answers === 200) first.process.kill("SIGKILL");
    }
  });
  await Promise.all(busy);
  expect(answers).toBeGreaterThanOrEqual(200);
  // The bus has lost all of them and nobody else.
  for (let names: unknown = []; JSON.stringify(names) !== JSON.stringify(["org.freedesktop.DBus", outside.name]); ) {
    names = (await outside.callBus("ListNames")).values[0];
  }
  await first.exit;
  stack.use(await ServiceProcess.start(folder));
  for (const sandbox of sandboxes) {
    const waiting = RawPeer.connect(sandbox.socket);
    sandbox.handOver(socket, policy);
    using client = await waiting;
    expect((await client.callBus("GetId")).type).toBe(2);
  }
});
