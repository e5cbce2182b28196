// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BodyReader } from "../../src/formats/dbus/body.ts";
import { MessageHeader } from "../../src/formats/dbus/header.ts";
import { canMakeGroups, joinScope } from "../../src/instances/scope.ts";

const hasGroups = process.env["DOWEL_REQUIRE_CGROUP"] !== "no";
const mount = existsSync("/sys/fs/cgroup/cgroup.controllers") ? "/sys/fs/cgroup" : "/sys/fs/cgroup/unified";
const ownGroup = () => /^0::(.*)$/m.exec(readFileSync("/proc/self/cgroup", "utf8"))?.[1] ?? "";

let session: string;
let server: Server | undefined;
beforeAll(() => {
  session = mkdtempSync(join(tmpdir(), "dowel-scope-"));
  mkdirSync(join(session, "systemd"));
});
afterAll(() => {
  server?.close();
  rmSync(session, { recursive: true });
});

/** What the manager is asked, and then does: a group of the unit's name, with the process in it. */
function carryOut(bytes: Buffer, home: string): string {
  const begin = bytes.indexOf("BEGIN\r\n");
  expect(bytes.subarray(0, begin).toString("latin1")).toStartWith("\0AUTH EXTERNAL ");
  const message = new Uint8Array(bytes.subarray(begin + 7));
  const header = new MessageHeader();
  header.measure(message, 0);
  header.read(message, 0);
  expect(header).toMatchObject({ member: "StartTransientUnit", signature: "ssa(sv)a(sa(sv))", length: message.length });
  const body = new BodyReader(message, 0, header);
  const unit = body.string();
  expect([unit, body.string()]).toEqual([`app-dowel-org.example.A\\x2db-${process.pid}.scope`, "fail"]);
  const properties = Buffer.from(message).toString("latin1");
  for (const name of ["PIDs", "Slice", "Delegate", "CollectMode"]) expect(properties).toContain(`${name}\0`);
  mkdirSync(`${home}/${unit}`);
  writeFileSync(`${home}/${unit}/cgroup.procs`, String(process.pid));
  return `${home}/${unit}`;
}

// Left out where ./dev could make no control group: the kernel or the container gives none.
test.skipIf(!hasGroups)("joinScope() asks the user's systemd for a scope and waits until it is there", async () => {
  const home = mount + ownGroup();
  expect(canMakeGroups(mount)).toBe(true);
  let group = "";
  let received = Buffer.alloc(0);
  server = createServer((socket) => {
    socket.on("data", (more: Buffer) => {
      received = Buffer.concat([received, more]);
      if (received.includes("StartTransientUnit") && group === "") group = carryOut(received, home);
    });
  }).listen(join(session, "systemd/private"));
  await new Promise<void>((done) => server?.once("listening", () => done()));
  try {
    expect(await joinScope(session, "org.example.A-b")).toBe(true);
    expect(mount + ownGroup()).toBe(group);
  } finally {
    writeFileSync(`${home}/cgroup.procs`, String(process.pid));
    if (group !== "") rmdirSync(group);
  }
});

test("joinScope() answers at once where there is no systemd of the user's", async () => {
  expect(await joinScope(join(session, "none"), "org.example.App")).toBe(false);
});
