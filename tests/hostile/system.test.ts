// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { closeSync, constants, openSync, readdirSync, symlinkSync } from "node:fs";
import { BusCallError } from "../../src/dbus/errors.ts";
import { BusPeer } from "../../src/dbus/peer.ts";
import { parseBusAddress } from "../../src/formats/dbus/address.ts";
import { EventLoop } from "../../src/loop/loop.ts";
import { Served } from "../e2e/served.ts";
import { appRef, makeLayout, runtimeRef, type Sandpit, startRegistry } from "../e2e/support.ts";
import { RawPeer } from "../support/bus.ts";
import { mayAll, mayUpdate } from "../support/systembus.ts";
import { until } from "../support/until.ts";

const id = "org.example.Probe";
const service = { destination: "org.dowel.System1", path: "/org/dowel/System1", interface: "org.dowel.System1" };
let served: Served;
let registry: Awaited<ReturnType<typeof startRegistry>>;
let pit: Sandpit;
let layout = "";
let commit = "";
let runtimeCommit = "";

function system(): string {
  return served.host.path("system");
}

beforeAll(async () => {
  served = await Served.start();
  registry = await startRegistry(served.host, served.host.path("registry"));
  const namespace = `oci+http://${registry.address}/apps`;
  layout = makeLayout(served.host.path("images"));
  served.host.succeed(["push", `oci:${layout}`, namespace]);
  pit = served.user(mayAll);
  pit.succeed(["remote-add", "--system", "--verify=none", "apps", namespace]);
  commit = pit.succeed(["remote-info", "--system", "--show-commit", "apps", id]).trim();
  runtimeCommit = pit.succeed(["remote-info", "--system", "--show-commit", "apps", "org.example.Platform"]).trim();
});

afterAll(async () => {
  await registry.stop();
  await served[Symbol.asyncDispose]();
});

interface Outcome {
  readonly error?: string;
  readonly text?: string;
  readonly changed?: boolean;
}

/** Calls `Change` as root, whom polkit asks nothing: what is refused is refused for what it is. */
async function change(wanted: unknown, extra: readonly unknown[] = []): Promise<Outcome> {
  using loop = new EventLoop();
  using peer = await loop.runUntil(BusPeer.connect(loop, parseBusAddress(served.bus.address)));
  const json = typeof wanted === "string" ? wanted : JSON.stringify(wanted);
  const values: readonly unknown[] = ["job1", "default", system(), json, ...extra];
  const signature: string = `ssss${"h".repeat(extra.length)}`;
  try {
    const [changed] = await loop.runUntil(peer.call({ ...service, member: "Change", signature, values, returns: "b" }));
    return { changed };
  } catch (error) {
    if (!(error instanceof BusCallError)) throw error;
    return { error: error.errorName.replace("org.dowel.Error.", ""), text: error.message };
  }
}

const install = {
  kind: "transaction",
  requests: [{ kind: "install", ref: appRef, remote: "apps" }],
  options: { declined: [] },
  newRemotes: [],
  noPull: false,
  noDeploy: false,
};

function accepted(operation = "install") {
  return [
    { operation, ref: runtimeRef, commit: runtimeCommit, origin: "apps" },
    { operation, ref: appRef, commit, origin: "apps" },
  ];
}

function installed(): string {
  return served.host.succeed(["list", "--system"]);
}

describe("a change", () => {
  test.each([
    ["not JSON", "{", "SCHEMA"],
    ["of another kind", { kind: "repair" }, "SCHEMA"],
    ["with an unknown key", { ...install, accepted: [], sideloadRepos: ["/home/x"] }, "SCHEMA"],
    ["that erases data", { ...install, accepted: [], options: { declined: [], deleteData: true } }, "SCHEMA"],
    [
      "with a ref that leads elsewhere",
      { kind: "switch", ref: "app/../../x/y", commit: "0".repeat(64) },
      "REF_INVALID",
    ],
    ["with an architecture that is a path", { kind: "appstream", remote: "apps", arch: "../../tmp" }, "SCHEMA"],
    ["with a remote that is a path", { kind: "remote-delete", name: "../x", force: true }, "USAGE"],
    ["too large", `"${"x".repeat(5 * 1024 * 1024)}"`, "LIMIT_EXCEEDED"],
    [
      "of a key that is no base64",
      { kind: "remote-add", name: "x", settings: { url: "oci+http://h/x" }, gpgKey: "no base64!" },
      "SCHEMA",
    ],
  ])("%s is refused", async (_what, wanted, code) => {
    expect((await change(wanted)).error).toBe(code);
    expect(installed()).toBe("");
  });

  test.each([
    ["a folder as a remote", { kind: "remote-add", name: "x", settings: { url: "oci:/home/x/layout" } }],
    [
      "an archive as a remote",
      { kind: "remote-modify", name: "apps", settings: { url: "oci-archive:/proc/self/fd/3" } },
    ],
    ["a filter file", { kind: "remote-modify", name: "apps", settings: { filter: "/etc/shadow" } }],
    ["a lookaside of files", { kind: "remote-modify", name: "apps", settings: { signatureLookaside: "file:///root" } }],
    ["a folder of media", { kind: "config", key: "sideload-repos", value: "/home/x" }],
    [
      "a direct install from a folder",
      {
        ...install,
        accepted: [],
        direct: { location: "oci:/home/x", origin: { name: "x-origin", url: "oci:/home/x" } },
      },
    ],
  ])("never has the service open %s of its caller", async (_what, wanted) => {
    const { error, text } = await change(wanted);
    expect({ error, isSaid: text?.includes("opens no files for other users") }).toEqual({
      error: "NOT_PERMITTED",
      isSaid: true,
    });
  });
});

describe("what was agreed to", () => {
  test.each([
    ["another digest than the remote has", () => accepted().map((one) => ({ ...one, commit: "a".repeat(64) }))],
    ["less than would be done", () => accepted().slice(1)],
    ["an update, which polkit permits more easily", () => accepted("update")],
    ["more than would be done", () => [...accepted(), { operation: "uninstall", ref: appRef, commit, origin: "apps" }]],
  ])("is not done where it is %s", async (_what, list) => {
    expect((await change({ ...install, accepted: list() })).error).toBe("PLAN_CHANGED");
    expect(installed()).toBe("");
  });

  test("is no way to move a remote that is there", async () => {
    const moved = { name: "apps", url: "oci+http://evil.example/apps" };
    const direct = { location: "docker://evil.example/apps/x", origin: moved };
    for (const wanted of [
      { ...install, accepted: accepted(), newRemotes: [moved] },
      { ...install, accepted: accepted(), direct },
    ]) {
      expect((await change(wanted)).error).toBe("PLAN_CHANGED");
    }
    expect(served.host.succeed(["remotes", "--system", "--columns=url"])).not.toContain("evil");
  });
});

test("descriptors of pipes, links and devices are refused with the call, and closed", async () => {
  const pipe = pit.path("work/pipe");
  execFileSync("mkfifo", [pipe]);
  symlinkSync("/etc/shadow", pit.path("work/link"));
  const folder = `/proc/${served.service.process.pid}/fd`;
  const before = readdirSync(folder).length;
  const descriptors = [
    openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK),
    openSync("/dev/zero", constants.O_RDONLY),
    openSync(pit.path("work/link"), constants.O_RDONLY),
  ];
  try {
    const { error } = await change({ ...install, accepted: accepted() }, descriptors);
    expect(error).toBe("org.freedesktop.DBus.Error.InvalidArgs");
  } finally {
    for (const descriptor of descriptors) closeSync(descriptor);
  }
  await until("they are closed", () => readdirSync(folder).length === before);
  expect(installed()).toBe("");
});

test("a name of the service's is for root alone", async () => {
  const owner = execFileSync("setpriv", [
    ...[`--reuid=${mayUpdate}`, `--regid=${mayUpdate}`, "--clear-groups"],
    ...["gdbus", "call", `--address=${served.bus.address}`, "--dest=org.freedesktop.DBus"],
    ...["--object-path=/org/freedesktop/DBus", "--method=org.freedesktop.DBus.GetNameOwner", "org.dowel.System1"],
  ]).toString();
  expect(owner).toMatch(/:1\.\d+/);
  using squatter = await RawPeer.connect(served.bus.socket);
  expect((await squatter.callBus("RequestName", "org.dowel.System1")).values).not.toEqual([1]);
});

test("a job's events go to its caller, and nobody else can cancel it", async () => {
  using other = await RawPeer.connect(served.bus.socket);
  await other.callBus("AddMatch", "type='signal',interface='org.dowel.System1'");
  const started = pit.start(["install", "--system", "-y", "--json", "apps", id]);
  const answers: (string | undefined)[] = [];
  let ended = false;
  void started.outcome.then(() => {
    ended = true;
  });
  while (!ended) {
    const answer = await other.ask({
      ...service,
      member: "Cancel",
      signature: "s",
      body: (writer) => writer.string("job1"),
    });
    answers.push(answer?.errorName);
  }
  expect(await started.outcome).toMatchObject({ status: 0, stderr: "" });
  expect(new Set(answers)).toEqual(new Set(["org.dowel.Error.NOT_PERMITTED"]));
  await other.settle();
  expect(other.received.filter(({ member }) => member === "Event")).toEqual([]);
  served.host.succeed(["uninstall", "--system", "-y", "--all"]);
});

test("one caller gets no more jobs than there is room for, and others still get theirs", async () => {
  using loop = new EventLoop();
  using peer = await loop.runUntil(BusPeer.connect(loop, parseBusAddress(served.bus.address)));
  const mount = JSON.stringify({ kind: "mount" });
  const jobs = Array.from({ length: 100 }, async (_none, at) => {
    const values = [`job${at}`, "default", system(), mount] as const;
    const call = peer.call({ ...service, member: "Change", signature: "ssss", values, returns: "b" });
    return await call.then(
      () => "done",
      (error: unknown) => (error instanceof BusCallError ? error.errorName : "?"),
    );
  });
  const outcomes = new Set(await loop.runUntil(Promise.all(jobs)));
  expect(outcomes).toEqual(new Set(["done", "org.dowel.Error.LIMIT_EXCEEDED"]));
  expect((await change({ kind: "mount" })).error).toBeUndefined();
});
