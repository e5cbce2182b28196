// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync, spawnSync } from "node:child_process";
import {
  closeSync,
  constants,
  cpSync,
  openSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { BusCallError } from "../../src/dbus/errors.ts";
import { BusPeer } from "../../src/dbus/peer.ts";
import { parseBusAddress } from "../../src/formats/dbus/address.ts";
import { EventLoop } from "../../src/loop/loop.ts";
import { O_PATH } from "../../src/sys/beneath.ts";
import { Served } from "../e2e/served.ts";
import { appRef, makeLayout, runtimeRef, type Sandpit, startRegistry } from "../e2e/support.ts";
import { Child, RawPeer } from "../support/bus.ts";
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
async function change(wanted: unknown, media: readonly number[] = []): Promise<Outcome> {
  using loop = new EventLoop();
  using peer = await loop.runUntil(BusPeer.connect(loop, parseBusAddress(served.bus.address)));
  const json = typeof wanted === "string" ? wanted : JSON.stringify(wanted);
  const values = ["job1", "default", system(), json, media] as const;
  const call = { ...service, member: "Change", signature: "ssssah", values, returns: "b" } as const;
  try {
    const [changed] = await loop.runUntil(peer.call(call, { timeoutMilliseconds: Number.POSITIVE_INFINITY }));
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
    ["that agrees to nothing, and so needs no right", { ...install, accepted: [] }, "SCHEMA"],
    ["of a mount by path", { kind: "mount", image: "/etc/shadow" }, "SCHEMA"],
    ["of a mount of what is not installed", { kind: "mount", image: "a".repeat(64) }, "NOT_INSTALLED"],
    ["of another kind", { kind: "shell" }, "SCHEMA"],
    ["with an unknown key", { ...install, accepted: [], sideloadRepos: ["/home/x"] }, "SCHEMA"],
    ["that erases data", { ...install, accepted: [], options: { declined: [], deleteData: true } }, "SCHEMA"],
    [
      "with a ref that leads elsewhere",
      { kind: "switch", ref: "app/../../x/y", commit: "0".repeat(64) },
      "REF_INVALID",
    ],
    ["with an architecture that is a path", { kind: "appstream", remote: "apps", arch: "../../tmp" }, "SCHEMA"],
    ["with a remote that is a path", { kind: "remote-delete", name: "../x", force: true }, "USAGE"],
    [
      "with a ref that is very long",
      { kind: "switch", ref: `app/${"a.".repeat(5000)}b/x86_64/x`, commit: "0".repeat(64) },
      "REF_INVALID",
    ],
    ["with a remote that is very long", { kind: "remote-delete", name: "x".repeat(100_000), force: true }, "USAGE"],
    ["with a key that is very long", { kind: "config", key: "x".repeat(100_000) }, "USAGE"],
    [
      "with a pattern that is very long",
      { kind: "patterns", list: "masked", patterns: ["x".repeat(100_000)] },
      "REF_INVALID",
    ],
    [
      "with more than its lists may hold",
      { kind: "patterns", list: "masked", patterns: Array(20_001).fill("x") },
      "SCHEMA",
    ],
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
        accepted: [{ operation: "install", ref: appRef, commit: "a".repeat(64), origin: "x-origin" }],
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

test.each(["", "x y", "../x", "x".repeat(65), "x".repeat(100_000)])(
  "a job cannot be named otherwise than with letters and digits: %#",
  async (token) => {
    using loop = new EventLoop();
    using peer = await loop.runUntil(BusPeer.connect(loop, parseBusAddress(served.bus.address)));
    const values = [token, "default", system(), JSON.stringify({ kind: "preinstalled" }), []] as const;
    const wanted = { ...service, member: "Change", signature: "ssssah", values, returns: "b" } as const;
    const call = peer.call(wanted, { timeoutMilliseconds: Number.POSITIVE_INFINITY });
    const outcome = await loop.runUntil(call).catch((error: unknown) => error);
    expect(outcome).toMatchObject({ errorName: "org.dowel.Error.USAGE" });
  },
);

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

describe("descriptors", () => {
  /** A layout as a user has it on a medium, with the images that the remote names. */
  function medium(name: string): string {
    const folder = pit.path("work", name);
    cpSync(layout, folder, { recursive: true });
    pit.own(folder);
    return folder;
  }

  /** What the service has open. */
  function openFiles(): readonly string[] {
    const folder = `/proc/${served.service.process.pid}/fd`;
    return readdirSync(folder).flatMap((fd) => {
      try {
        return [readlinkSync(`${folder}/${fd}`)];
      } catch {
        // It has been closed since.
        return [];
      }
    });
  }

  /** Asks for the install with media; neither they nor what is in them stays open in the service. */
  async function installFrom(...media: readonly number[]): Promise<Outcome> {
    const held = media.map((fd) => readlinkSync(`/proc/self/fd/${fd}`));
    try {
      return await change({ ...install, accepted: accepted() }, media);
    } finally {
      for (const fd of media) closeSync(fd);
      const isClosed = (): boolean => !openFiles().some((name) => held.some((path) => name.startsWith(path)));
      await until("the service has closed them", isClosed);
    }
  }

  const folderFlags = constants.O_RDONLY | constants.O_DIRECTORY;

  test.each([
    ["a pipe", (path: string) => void execFileSync("mkfifo", [path]), constants.O_RDONLY | constants.O_NONBLOCK],
    ["a device", (path: string) => symlinkSync("/dev/zero", path), constants.O_RDONLY],
    ["what a link leads to", (path: string) => symlinkSync("/etc/shadow", path), constants.O_RDONLY],
    ["a folder that its owner need not be able to list", (path: string) => symlinkSync("/boot", path), O_PATH],
  ])("of %s are refused and closed", async (_what, make, flags) => {
    const path = pit.path("work/descriptor");
    make(path);
    try {
      expect((await installFrom(openSync(path, flags))).error).toBe("NOT_PERMITTED");
    } finally {
      rmSync(path);
    }
    expect(installed()).toBe("");
  });

  test("of more folders than there is room for, or with a change that takes none, are refused", async () => {
    const folder = medium("many");
    const open = (): number => openSync(folder, folderFlags);
    expect((await installFrom(open(), open(), open(), open(), open())).error).toBe("LIMIT_EXCEEDED");
    const fd = open();
    expect((await change({ kind: "preinstalled" }, [fd])).error).toBe("USAGE");
    closeSync(fd);
  });

  test.each([
    ["a pipe", (blob: string) => void execFileSync("mkfifo", [blob])],
    ["a link", (blob: string) => symlinkSync("/etc/shadow", blob)],
    ["a device", (blob: string) => void execFileSync("mknod", [blob, "c", "1", "5"])],
    ["other bytes", (blob: string) => writeFileSync(blob, "other bytes")],
  ])("of a folder where a blob is %s: it comes from the remote instead", async (_what, make) => {
    const folder = medium("swapped");
    for (const name of readdirSync(`${folder}/blobs/sha256`)) {
      rmSync(`${folder}/blobs/sha256/${name}`);
      make(`${folder}/blobs/sha256/${name}`);
    }
    try {
      expect(await installFrom(openSync(folder, folderFlags))).toEqual({ changed: true });
      served.host.succeed(["repair", "--system", "--dry-run"]);
    } finally {
      rmSync(folder, { recursive: true });
      served.host.succeed(["uninstall", "--system", "-y", "--all"]);
    }
  });

  test("of a folder whose parts are links lead nowhere", async () => {
    const folder = medium("linked");
    renameSync(`${folder}/blobs`, pit.path("work/elsewhere"));
    symlinkSync(pit.path("work/elsewhere"), `${folder}/blobs`);
    try {
      const descriptor = openSync(folder, folderFlags);
      expect(await installFrom(descriptor)).toEqual({ changed: true });
    } finally {
      served.host.succeed(["uninstall", "--system", "-y", "--all"]);
    }
  });

  test("of a folder that its owner changes all the time do no harm", async () => {
    const folder = medium("moving");
    const other = medium("other");
    for (const name of readdirSync(`${other}/blobs/sha256`)) writeFileSync(`${other}/blobs/sha256/${name}`, "swapped");
    // renameat2(2) with RENAME_EXCHANGE, as mv(1) of coreutils 9.5 would, but many times over
    const script = `import ctypes, sys
libc = ctypes.CDLL(None)
while True: libc.renameat2(-100, sys.argv[1].encode(), -100, sys.argv[2].encode(), 2)`;
    await using _swapper = new Child(
      ["python3", "-c", script, `${folder}/blobs/sha256`, `${other}/blobs/sha256`],
      ["ignore", "ignore", "ignore"],
    );
    for (let round = 0; round < 3; round++) {
      expect(await installFrom(openSync(folder, folderFlags))).toEqual({ changed: true });
      expect(JSON.parse(served.host.succeed(["repair", "--system", "--dry-run", "--json"]))).toEqual([]);
      served.host.succeed(["uninstall", "--system", "-y", "--all"]);
    }
  });
});

test("a name of the service's is for root alone", async () => {
  const owner = execFileSync("setpriv", [
    ...[`--reuid=${mayUpdate}`, `--regid=${mayUpdate}`, "--clear-groups"],
    ...["gdbus", "call", `--address=${served.bus.address}`, "--dest=org.freedesktop.DBus"],
    ...["--object-path=/org/freedesktop/DBus", "--method=org.freedesktop.DBus.GetNameOwner", "org.dowel.System1"],
  ]).toString();
  expect(owner).toMatch(/:1\.\d+/);
  for (const name of ["org.dowel.System1", "org.dowel.System1.Other"]) {
    const { status, stderr } = spawnSync(
      "setpriv",
      [
        ...[`--reuid=${mayUpdate}`, `--regid=${mayUpdate}`, "--clear-groups"],
        ...["gdbus", "call", `--address=${served.bus.address}`, "--dest=org.freedesktop.DBus"],
        ...["--object-path=/org/freedesktop/DBus", "--method=org.freedesktop.DBus.RequestName", name, "6"],
      ],
      { encoding: "utf8" },
    );
    expect([name, status]).toEqual([name, 1]);
    expect(stderr).toContain("org.freedesktop.DBus.Error.AccessDenied");
  }
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
  const wanted = JSON.stringify({ kind: "preinstalled" });
  const jobs = Array.from({ length: 100 }, async (_none, at) => {
    const values = [`job${at}`, "default", system(), wanted, []] as const;
    const call = peer.call(
      { ...service, member: "Change", signature: "ssssah", values, returns: "b" },
      { timeoutMilliseconds: Number.POSITIVE_INFINITY },
    );
    return await call.then(
      () => "done",
      (error: unknown) => (error instanceof BusCallError ? error.errorName : "?"),
    );
  });
  const outcomes = new Set(await loop.runUntil(Promise.all(jobs)));
  expect(outcomes).toEqual(new Set(["done", "org.dowel.Error.LIMIT_EXCEEDED"]));
  expect((await change({ kind: "preinstalled" })).error).toBeUndefined();
});
