// SPDX-License-Identifier: Apache-2.0
// An app that watches for its own updates and asks for one, with the real permission store and a real registry.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import type { BusPeer } from "../../src/dbus/peer.ts";
import { type Variant, variant } from "../../src/formats/dbus/types.ts";
import { AppClient, instancesIn } from "../support/appclient.ts";
import { type Child, startBus, type TestBus } from "../support/bus.ts";
import { startPermissionStore } from "../support/permissionstore.ts";
import { until } from "../support/until.ts";
import { makeLayout, Sandpit, startRegistry } from "./support.ts";

const id = "org.example.Probe";
const portal = {
  destination: "org.freedesktop.portal.Flatpak",
  path: "/org/freedesktop/portal/Flatpak",
  interface: "org.freedesktop.portal.Flatpak",
} as const;
const monitorName = "org.freedesktop.portal.Flatpak.UpdateMonitor";

type Info = Readonly<Record<string, unknown>>;
const pit = new Sandpit();
let registry: Awaited<ReturnType<typeof startRegistry>>;
let bus: TestBus;
let store: Child;
let running: ReturnType<Sandpit["start"]>;
let client: AppClient;
let app: BusPeer;
const news: Info[] = [];
const progress: Info[] = [];

function publish(name: string, text: string, context = ""): void {
  mkdirSync(pit.path(name));
  pit.succeed(["push", `oci:${makeLayout(pit.path(name), { text, context })}`, `oci+http://${registry.address}/apps`]);
}

function commitOf(...words: readonly string[]): string {
  return pit.succeed([...words, "--user", "--show-commit", ...(words[0] === "info" ? [id] : ["apps", id])]).trim();
}

function read(values: readonly unknown[] | undefined): Info {
  const map = (values?.[0] ?? new Map()) as ReadonlyMap<string, Variant>;
  return Object.fromEntries([...map].map(([key, { value }]) => [key, value]));
}

function createMonitor(token: string): Promise<readonly [string]> {
  const options = new Map([["handle_token", variant("s", token)]]);
  const call = {
    ...portal,
    member: "CreateUpdateMonitor",
    signature: "a{sv}",
    values: [options],
    returns: "o",
  } as const;
  return app.call(call);
}

function onMonitor(path: string, member: string, ...values: readonly unknown[]): Promise<unknown> {
  const signature = values.length === 0 ? "" : "sa{sv}";
  return app.call({ ...portal, interface: monitorName, path, member, signature, values });
}

async function updateBy(path: string): Promise<Info> {
  progress.length = 0;
  await onMonitor(path, "Update", "", new Map());
  return await until("the update has ended", () => progress.find(({ status }) => status !== 0));
}

beforeAll(async () => {
  registry = await startRegistry(pit, pit.path("registry"));
  publish("one", "one\n");
  pit.succeed(["remote-add", "--user", "--no-gpg-verify", "apps", `oci+http://${registry.address}/apps`]);
  pit.succeed(["install", "--user", "-y", "apps", id]);
  bus = await startBus(pit.path("run"));
  store = await startPermissionStore(bus, pit.path("stored"));
  running = pit.start(["run", id, "wait"]);
  await once(running.child.stdout, "data");
  client = new AppClient();
  app = await client.connect(pit.path("run/.flatpak", instancesIn(pit.path("run"))[0] ?? ""));
  await app.listen({ member: "UpdateAvailable" }, ({ values }) => void news.push(read(values)));
  await app.listen({ member: "Progress" }, ({ values }) => void progress.push(read(values)));
});
afterAll(async () => {
  await client[Symbol.asyncDispose]();
  running.child.kill("SIGTERM");
  await running.outcome;
  await store[Symbol.asyncDispose]();
  await bus[Symbol.asyncDispose]();
  await registry.stop();
  pit[Symbol.dispose]();
});

describe("an update monitor", () => {
  let path = "";
  let first = "";

  test("tells of a version that the remote has", async () => {
    first = commitOf("info");
    publish("two", "two\n");
    [path] = await createMonitor("mine");
    expect(path).toStartWith(`${portal.path}/update_monitor/`);
    expect(path).toEndWith("/mine");
    const told = await until("the update is told", () => news[0]);
    expect(told).toEqual({ "running-commit": first, "local-commit": first, "remote-commit": commitOf("remote-info") });
  });

  test("updates only where the user allows it, and never without the store's yes", async () => {
    for (const word of [undefined, "ask", "no", "nonsense"]) {
      if (word !== undefined) pit.succeed(["permission-set", "flatpak", "updates", id, word]);
      await expect(onMonitor(path, "Update", "", new Map())).rejects.toThrow("not allowed");
      await app.callBus("GetId", { returns: "s" });
    }
    expect(commitOf("info")).toBe(first);
  });

  test("updates while the app runs, with progress, and tells of the new version", async () => {
    pit.succeed(["permission-set", "flatpak", "updates", id, "yes"]);
    expect(await updateBy(path)).toMatchObject({ status: 2, progress: 100 });
    expect(progress[0]).toMatchObject({ n_ops: expect.any(Number), op: 0, status: 0 });
    const second = commitOf("info");
    expect(second).not.toBe(first);
    const told = await until("the new version is told", () => news.find((one) => one["local-commit"] === second));
    expect(told).toEqual({ "running-commit": first, "local-commit": second, "remote-commit": second });
    expect(await updateBy(path)).toMatchObject({ status: 1 });
  });

  test("does not take a version that may do more", async () => {
    const before = commitOf("info");
    publish("three", "three\n", "\n[Context]\nfilesystems=host;\n");
    expect(await updateBy(path)).toMatchObject({
      status: 3,
      error: "org.freedesktop.DBus.Error.NotSupported",
      error_message: expect.stringContaining("--filesystem=host"),
    });
    expect(commitOf("info")).toBe(before);
  });

  test("is bounded, one for a token, and gone when it is closed", async () => {
    await expect(createMonitor("mine")).rejects.toThrow("exists already");
    await expect(createMonitor("../other")).rejects.toThrow("handle_token");
    const [others] = [await Promise.allSettled(Array.from({ length: 12 }, (_, index) => createMonitor(`m${index}`)))];
    expect(others.filter(({ status }) => status === "fulfilled").length).toBe(9);
    await onMonitor(path, "Close");
    await expect(onMonitor(path, "Update", "", new Map())).rejects.toThrow(path);
    await createMonitor("mine");
  });
});
