// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync, spawnSync } from "node:child_process";
import { BusCallError } from "../../src/dbus/errors.ts";
import { BusPeer } from "../../src/dbus/peer.ts";
import { parseBusAddress } from "../../src/formats/dbus/address.ts";
import { EventLoop } from "../../src/loop/loop.ts";
import { appRef } from "../e2e/support.ts";
import { RawPeer } from "../support/bus.ts";
import { mayUpdate } from "../support/systembus.ts";
import { install, Shop, systemService } from "./shop.ts";

const id = "org.example.Probe";
let shop: Shop;
beforeAll(async () => {
  shop = await Shop.open();
});
afterAll(() => shop[Symbol.asyncDispose]());

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
    expect((await shop.change(wanted)).error).toBe(code);
    expect(shop.installed()).toBe("");
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
    const { error, text } = await shop.change(wanted);
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
    using peer = await loop.runUntil(BusPeer.connect(loop, parseBusAddress(shop.served.bus.address)));
    const values = [token, "default", shop.system, JSON.stringify({ kind: "preinstalled" }), []] as const;
    const wanted = { ...systemService, member: "Change", signature: "ssssah", values, returns: "b" } as const;
    const call = peer.call(wanted, { timeoutMilliseconds: Number.POSITIVE_INFINITY });
    const outcome = await loop.runUntil(call).catch((error: unknown) => error);
    expect(outcome).toMatchObject({ errorName: "org.dowel.Error.USAGE" });
  },
);

describe("what was agreed to", () => {
  test.each([
    ["another digest than the remote has", () => shop.accepted().map((one) => ({ ...one, commit: "a".repeat(64) }))],
    ["less than would be done", () => shop.accepted().slice(1)],
    ["an update, which polkit permits more easily", () => shop.accepted("update")],
    [
      "more than would be done",
      () => [...shop.accepted(), { operation: "uninstall", ref: appRef, commit: shop.commit, origin: "apps" }],
    ],
  ])("is not done where it is %s", async (_what, list) => {
    expect((await shop.change({ ...install, accepted: list() })).error).toBe("PLAN_CHANGED");
    expect(shop.installed()).toBe("");
  });

  test("is no way to move a remote that is there", async () => {
    const moved = { name: "apps", url: "oci+http://evil.example/apps" };
    const direct = { location: "docker://evil.example/apps/x", origin: moved };
    for (const wanted of [
      { ...install, accepted: shop.accepted(), newRemotes: [moved] },
      { ...install, accepted: shop.accepted(), direct },
    ]) {
      expect((await shop.change(wanted)).error).toBe("PLAN_CHANGED");
    }
    expect(shop.served.host.succeed(["remotes", "--system", "--columns=url"])).not.toContain("evil");
  });
});

test("a name of the service's is for root alone", async () => {
  const owner = execFileSync("setpriv", [
    ...[`--reuid=${mayUpdate}`, `--regid=${mayUpdate}`, "--clear-groups"],
    ...["gdbus", "call", `--address=${shop.served.bus.address}`, "--dest=org.freedesktop.DBus"],
    ...["--object-path=/org/freedesktop/DBus", "--method=org.freedesktop.DBus.GetNameOwner", "org.dowel.System1"],
  ]).toString();
  expect(owner).toMatch(/:1\.\d+/);
  for (const name of ["org.dowel.System1", "org.dowel.System1.Other"]) {
    const { status, stderr } = spawnSync(
      "setpriv",
      [
        ...[`--reuid=${mayUpdate}`, `--regid=${mayUpdate}`, "--clear-groups"],
        ...["gdbus", "call", `--address=${shop.served.bus.address}`, "--dest=org.freedesktop.DBus"],
        ...["--object-path=/org/freedesktop/DBus", "--method=org.freedesktop.DBus.RequestName", name, "6"],
      ],
      { encoding: "utf8" },
    );
    expect([name, status]).toEqual([name, 1]);
    expect(stderr).toContain("org.freedesktop.DBus.Error.AccessDenied");
  }
});

test("a job's events go to its caller, and nobody else can cancel it", async () => {
  using other = await RawPeer.connect(shop.served.bus.socket);
  await other.callBus("AddMatch", "type='signal',interface='org.dowel.System1'");
  const started = shop.user.start(["install", "--system", "-y", "--json", "apps", id]);
  const answers: (string | undefined)[] = [];
  let ended = false;
  void started.outcome.then(() => {
    ended = true;
  });
  while (!ended) {
    const answer = await other.ask({
      ...systemService,
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
  shop.uninstallAll();
});

test("one caller gets no more jobs than there is room for, and others still get theirs", async () => {
  using loop = new EventLoop();
  using peer = await loop.runUntil(BusPeer.connect(loop, parseBusAddress(shop.served.bus.address)));
  const wanted = JSON.stringify({ kind: "preinstalled" });
  const jobs = Array.from({ length: 100 }, async (_none, at) => {
    const values = [`job${at}`, "default", shop.system, wanted, []] as const;
    const call = peer.call(
      { ...systemService, member: "Change", signature: "ssssah", values, returns: "b" },
      { timeoutMilliseconds: Number.POSITIVE_INFINITY },
    );
    return await call.then(
      () => "done",
      (error: unknown) => (error instanceof BusCallError ? error.errorName : "?"),
    );
  });
  const outcomes = new Set(await loop.runUntil(Promise.all(jobs)));
  expect(outcomes).toEqual(new Set(["done", "org.dowel.Error.LIMIT_EXCEEDED"]));
  expect((await shop.change({ kind: "preinstalled" })).error).toBeUndefined();
});
