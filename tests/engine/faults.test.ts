// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { DowelEvent } from "../../src/base/events.ts";
import { execute } from "../../src/engine/execute.ts";
import { prepareInstall } from "../../src/engine/prepareinstall.ts";
import { prepareUpdate } from "../../src/engine/prepareupdate.ts";
import { push } from "../../src/engine/push.ts";
import { serveRegistry } from "../../src/registry/server.ts";
import { addRemote } from "../../src/remotes/config.ts";
import { listDeployments } from "../../src/store/deployments.ts";
import type { Installation } from "../../src/store/installation.ts";
import { TestFolder } from "../store/images.ts";
import { addSample, appRef, install, platform, recorder } from "./fixtures.ts";
import { FaultProxy } from "./proxy.ts";

const hello = appRef("Hello");
const MiB = 1024 * 1024;

/** Bytes that do not compress, the same every time. */
function noise(size: number, seed = "seed"): Buffer {
  const parts: Buffer[] = [];
  for (let done = 0, at = 0; done < size; done += 64, at++)
    parts.push(createHash("sha512").update(`${seed}${at}`).digest());
  return Buffer.concat(parts).subarray(0, size);
}

function isBlob({ path }: { readonly path: string }): boolean {
  return path.includes("/blobs/");
}

/** A registry with Hello, behind a proxy, and an installation that has the proxy as its remote. */
async function setUp(folder: TestFolder, size = 1000) {
  const registry = await serveRegistry({ folder: join(folder.path, "registry"), listen: "127.0.0.1:0" });
  const proxy = await FaultProxy.start(registry.address);
  const layout = join(folder.path, "layout");
  const publish = async (files: Readonly<Record<string, Uint8Array>>): Promise<string> => {
    const commit = addSample(layout, { ref: hello, files });
    await push(`oci:${layout}:${hello}`, `oci+${registry.address}/demo`);
    return commit;
  };
  const commit = await publish({ big: noise(size) });
  const store = folder.installation();
  await addRemote(store, "demo", { url: `oci+http://${proxy.host}/demo` });
  const stop = async (): Promise<void> => {
    await proxy[Symbol.asyncDispose]();
    await registry.stop();
  };
  return { registry, proxy, store, commit, publish, [Symbol.asyncDispose]: stop };
}

/** Nothing of an install may be left but what a next try can use. */
function expectNothingInstalled(store: Installation): void {
  expect(listDeployments(store)).toEqual([]);
  const entries = readdirSync(store.path);
  expect(entries.filter((name) => name === "app" || name === "runtime")).toEqual([]);
  expect(readdirSync(store.images)).toEqual([]);
  expect(readdirSync(store.tmp).filter((name) => name !== "blobs")).toEqual([]);
}

test("install continues by itself when a transfer is cut", async () => {
  using folder = new TestFolder();
  await using place = await setUp(folder, 3 * MiB);
  const { proxy, store, commit } = place;
  const cuts = new Map<string, number>();
  proxy.fault = (request) => {
    const count = (cuts.get(request.path) ?? 0) + 1;
    cuts.set(request.path, count);
    return isBlob(request) && count <= 2 ? { cutAfter: MiB } : undefined;
  };
  const { installed } = await install(store, ["demo", "org.test.Hello"], { noDeps: true });
  expect(installed[0]?.commit).toBe(commit);
  expect(proxy.requests.filter((request) => isBlob(request) && request.offset > 0).length).toBeGreaterThan(0);
  const file = join(installed[0]?.path ?? "", "files/big");
  expect(readFileSync(file).equals(noise(3 * MiB))).toBe(true);
}, 30_000);

test("install that was cancelled leaves nothing installed, and the next one continues where it stopped", async () => {
  using folder = new TestFolder();
  await using place = await setUp(folder, 12 * MiB);
  const { proxy, store, commit } = place;
  proxy.fault = (request) => (isBlob(request) ? { stallAfter: 9 * MiB } : undefined);
  const stop = new AbortController();
  const report = (event: DowelEvent): void => {
    if (event.type === "fetch.progress" && event.done >= 8 * MiB) stop.abort();
  };
  const options = { noDeps: true, report, signal: stop.signal };
  await expect(install(store, ["demo", "org.test.Hello"], options)).rejects.toMatchObject({ code: "ABORTED" });
  expectNothingInstalled(store);
  proxy.requests.length = 0;
  proxy.fault = () => undefined;
  const { installed } = await install(store, ["demo", "org.test.Hello"], { noDeps: true });
  expect(installed[0]?.commit).toBe(commit);
  const offsets = proxy.requests.filter((request) => isBlob(request)).map(({ offset }) => offset);
  expect(Math.max(...offsets)).toBeGreaterThanOrEqual(7 * MiB);
}, 30_000);

test("install is DIGEST_MISMATCH when the registry sends other bytes, and leaves nothing", async () => {
  using folder = new TestFolder();
  await using place = await setUp(folder, 100_000);
  const { proxy, store } = place;
  const flip = (body: Buffer): Buffer => {
    const copy = Buffer.from(body);
    copy[copy.length >> 1] = (copy[copy.length >> 1] ?? 0) ^ 0xff;
    return copy;
  };
  for (const part of ["/blobs/", "/manifests/"]) {
    proxy.fault = ({ path }) => (path.includes(part) ? { body: flip } : undefined);
    await expect(install(store, ["demo", "org.test.Hello"], { noDeps: true })).rejects.toMatchObject({
      code: expect.stringMatching(/DIGEST_MISMATCH|COMPRESSION_INVALID/),
    });
    expectNothingInstalled(store);
  }
});

test("install refuses an image that is for another ref than the index says", async () => {
  using folder = new TestFolder();
  await using place = await setUp(folder);
  const { proxy, store } = place;
  const rename = (body: Buffer): Buffer =>
    Buffer.from(body.toString("utf8").replaceAll("org.test.Hello", "org.test.Jello"));
  proxy.fault = ({ path }) => (path.includes("/index/static") ? { body: rename } : undefined);
  await expect(install(store, ["demo", "org.test.Jello"], { noDeps: true })).rejects.toMatchObject({
    code: "IMAGE_UNSUITABLE",
    message: expect.stringContaining(hello),
  });
  expectNothingInstalled(store);
});

test("install is REGISTRY_UNREACHABLE when the registry goes down before the transfer", async () => {
  using folder = new TestFolder();
  await using place = await setUp(folder);
  const { proxy, store } = place;
  const plan = await prepareInstall(store, ["demo", "org.test.Hello"], { noDeps: true });
  await proxy[Symbol.asyncDispose]();
  await expect(execute(plan, store)).rejects.toMatchObject({ code: "REGISTRY_UNREACHABLE" });
  expectNothingInstalled(store);
}, 30_000);

test("update that fails leaves the old version in place and working", async () => {
  using folder = new TestFolder();
  await using place = await setUp(folder);
  const { proxy, store, commit, publish } = place;
  await install(store, ["demo", "org.test.Hello"], { noDeps: true });
  await publish({ big: noise(200_000, "next") });
  proxy.fault = ({ path }) => (path.includes("/blobs/") ? { body: (body) => Buffer.alloc(body.length) } : undefined);
  const plan = await prepareUpdate(store, []);
  expect(plan.operations).toHaveLength(1);
  await expect(execute(plan, store)).rejects.toMatchObject({ code: expect.stringMatching(/DIGEST|COMPRESSION/) });
  const [deployment] = listDeployments(store);
  expect(deployment?.commit).toBe(commit);
  expect(readFileSync(join(deployment?.path ?? "", "files/big")).equals(noise(1000))).toBe(true);
});

test("update does not fetch the layers that the installation has", async () => {
  using folder = new TestFolder();
  await using place = await setUp(folder, 100_000);
  const { proxy, store } = place;
  await install(store, ["demo", "org.test.Hello"], { noDeps: true });
  proxy.requests.length = 0;
  const { events, report } = recorder();
  await install(store, ["demo", "org.test.Hello"], { noDeps: true, reinstall: true, report });
  expect(events).toContainEqual(expect.objectContaining({ type: "fetch.done", reused: true }));
  const blobs = new Set(proxy.requests.filter((request) => isBlob(request)).map(({ path }) => path));
  expect(blobs.size).toBe(1);
});

test("install is NO_SPACE when the file system is full, keeps what was there, and works once there is space", async () => {
  using folder = new TestFolder();
  const disk = join(folder.path, "disk");
  mkdirSync(disk);
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=4m,mode=755", "tmpfs", disk]);
  const store = folder.installation("disk");
  const layout = join(folder.path, "layout");
  addSample(layout, { ref: platform, files: { small: noise(200_000) } });
  addSample(layout, { ref: hello, files: { big: noise(6 * MiB) } });
  await addRemote(store, "local", { url: `oci:${layout}` });
  await install(store, ["local", "org.test.Platform"]);
  await expect(install(store, ["local", "org.test.Hello"])).rejects.toMatchObject({ code: "NO_SPACE" });
  const [runtime, ...others] = listDeployments(store);
  expect(others).toEqual([]);
  expect(statSync(join(runtime?.path ?? "", "files/small")).size).toBe(200_000);
  execFileSync("mount", ["-o", "remount,size=40m", disk]);
  await install(store, ["local", "org.test.Hello"]);
  expect(listDeployments(store)).toHaveLength(2);
});

test("two installs of the same app at once end with one whole deployment", async () => {
  using folder = new TestFolder();
  await using place = await setUp(folder, MiB);
  const { store, commit } = place;
  const options = { noDeps: true, reinstall: true };
  await Promise.all([1, 2, 3].map(() => install(store, ["demo", "org.test.Hello"], options)));
  const [deployment, ...others] = listDeployments(store);
  expect(others).toEqual([]);
  expect(deployment?.commit).toBe(commit);
  expect(readFileSync(join(deployment?.path ?? "", "files/big")).equals(noise(MiB))).toBe(true);
  expect(readdirSync(store.tmp).filter((name) => name !== "blobs")).toEqual([]);
});
