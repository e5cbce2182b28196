// SPDX-License-Identifier: Apache-2.0

import { expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { DowelEvent } from "../../src/base/events.ts";
import { push } from "../../src/engine/push.ts";
import { formatRef } from "../../src/metadata/ref.ts";
import { serveRegistry } from "../../src/registry/server.ts";
import { listRefs } from "../../src/remotes/catalogue.ts";
import type { Remote } from "../../src/remotes/types.ts";
import { addSample, appRef, metadataFor, platform } from "../engine/fixtures.ts";
import { TestFolder } from "../store/images.ts";

const hello = appRef("Hello");

function remoteAt(url: string, changes: Partial<Remote> = {}): Remote {
  const flags = { priority: 1, disabled: false, noEnumerate: false, noDeps: false, gpgVerify: false };
  return { name: "demo", url, ...flags, ...changes };
}

async function registryWith(folder: TestFolder, report: (event: DowelEvent) => void = () => undefined) {
  const registry = await serveRegistry({ folder: join(folder.path, "registry"), listen: "127.0.0.1:0", report });
  const layout = join(folder.path, "layout");
  addSample(layout, { ref: hello });
  addSample(layout, { ref: platform });
  const address = `oci+${registry.address}`;
  for (const ref of [hello, platform]) await push(`oci:${layout}:${ref}`, `${address}/demo`);
  return { registry, address, layout };
}

test("listRefs() does not send an index again that has not changed", async () => {
  using folder = new TestFolder();
  const events: DowelEvent[] = [];
  const { registry, address } = await registryWith(folder, (event) => events.push(event));
  await using _registry = registry;
  const remote = remoteAt(address);
  const first = await listRefs(remote, { cacheFolder: folder.path });
  events.length = 0;
  expect(await listRefs(remote, { cacheFolder: folder.path })).toEqual(first);
  expect(events).toMatchObject([{ type: "registry.request", path: "/index/static", status: 304 }]);
});

test("listRefs() asks anew where a power cut left the cache empty or cut short", async () => {
  using folder = new TestFolder();
  const events: DowelEvent[] = [];
  const { registry, address } = await registryWith(folder, (event) => events.push(event));
  await using _registry = registry;
  const remote = remoteAt(address);
  const path = join(folder.path, "oci/demo.index.json");
  const first = await listRefs(remote, { cacheFolder: folder.path });
  const whole = readFileSync(path);
  for (const left of [0, 10, whole.indexOf(0x0a) + 1, whole.length - 5]) {
    writeFileSync(path, whole.subarray(0, left));
    events.length = 0;
    expect(await listRefs(remote, { cacheFolder: folder.path })).toEqual(first);
    expect(events.at(-1)).toMatchObject({ path: "/index/static", status: 200 });
    expect(readFileSync(path).equals(whole)).toBe(true);
  }
});

test("listRefs() reads what is cached when it is told to, with the registry down", async () => {
  using folder = new TestFolder();
  const { registry, address } = await registryWith(folder);
  const remote = remoteAt(`${address}/demo`);
  const first = await listRefs(remote, { cacheFolder: folder.path });
  await registry.stop();
  expect(await listRefs(remote, { cacheFolder: folder.path, cached: true })).toEqual(first);
  await expect(listRefs(remote, { cached: true })).rejects.toMatchObject({ code: "REGISTRY_UNREACHABLE" });
  writeFileSync(join(folder.path, "oci/demo.index.json"), '{"url":');
  await expect(listRefs(remote, { cacheFolder: folder.path, cached: true })).rejects.toMatchObject({
    code: "REGISTRY_UNREACHABLE",
  });
});

test("listRefs() shows only its own namespace", async () => {
  using folder = new TestFolder();
  const { registry, address, layout } = await registryWith(folder);
  await using _registry = registry;
  addSample(layout, { ref: appRef("Other") });
  await push(`oci:${layout}:${appRef("Other")}`, `${address}/demonstration`);
  const names = async (url: string) => (await listRefs(remoteAt(url))).map(({ ref }) => ref.id);
  expect(await names(`${address}/demo`)).toEqual(["org.test.Hello", "org.test.Platform"]);
  expect(await names(`${address}/demonstration`)).toEqual(["org.test.Other"]);
  expect(await names(address)).toHaveLength(3);
});

test("listRefs() leaves out what the filter hides", async () => {
  using folder = new TestFolder();
  const { registry, address } = await registryWith(folder);
  await using _registry = registry;
  const filter = join(folder.path, "filter");
  writeFileSync(filter, "deny *\nallow runtime/*\n");
  const refs = await listRefs(remoteAt(address, { filter }));
  expect(refs.map(({ ref }) => formatRef(ref))).toEqual([platform]);
});

test("listRefs() leaves out images whose labels are missing or contradict each other", async () => {
  using folder = new TestFolder();
  const layout = join(folder.path, "layout");
  addSample(layout, { ref: hello });
  addSample(layout, { ref: appRef("NoMetadata"), labels: { "org.flatpak.metadata": "" } });
  addSample(layout, { ref: appRef("Lies"), labels: { "org.flatpak.ref": appRef("Else") } });
  addSample(layout, { ref: appRef("BadRef"), labels: { "org.flatpak.ref": "app/x" } });
  addSample(layout, { ref: appRef("BadSize"), labels: { "org.flatpak.installed-size": "much" } });
  addSample(layout, { ref: appRef("BadRuntime"), metadata: metadataFor(appRef("BadRuntime"), "../../x/y") });
  const refs = await listRefs(remoteAt(`oci:${layout}`));
  expect(refs.map(({ ref }) => formatRef(ref))).toEqual([hello]);
});

test("listRefs() says nothing of images for other architectures", async () => {
  using folder = new TestFolder();
  const layout = join(folder.path, "layout");
  addSample(layout, { ref: hello });
  expect(await listRefs(remoteAt(`oci:${layout}`), { arch: "riscv64" })).toEqual([]);
});

test("listRefs() reads an archive as it reads a folder", async () => {
  using folder = new TestFolder();
  const layout = join(folder.path, "layout");
  const commit = addSample(layout, { ref: hello });
  const archive = join(folder.path, "image.tar");
  execFileSync("tar", ["-cf", archive, "-C", layout, "."]);
  const refs = await listRefs(remoteAt(`oci-archive:${archive}`));
  expect(refs).toMatchObject([{ commit, place: { kind: "archive", path: archive } }]);
});

test("listRefs() names the layout when it is gone", async () => {
  using folder = new TestFolder();
  await expect(listRefs(remoteAt(`oci:${folder.path}/none`))).rejects.toMatchObject({ code: "OCI_LAYOUT_INVALID" });
});

/** A registry that answers `index` to every request for the index, and passes all others on. */
function serveBehind(registry: { readonly address: string }, index: () => Response) {
  return Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (request) => {
      const { pathname, search } = new URL(request.url);
      return pathname.includes("/index/static") ? index() : fetch(`${registry.address}${pathname}${search}`, request);
    },
  });
}

test.each([
  ["a page", () => new Response("<!doctype html><title>Welcome</title>", { headers: { "content-type": "text/html" } })],
  ["not found", () => new Response("no", { status: 404 })],
])("listRefs() looks through the repositories when the index is %s", async (_name, index) => {
  using folder = new TestFolder();
  const events: DowelEvent[] = [];
  const { registry } = await registryWith(folder, (event) => events.push(event));
  await using _registry = registry;
  using server = serveBehind(registry, index);
  const remote = remoteAt(`oci+http://127.0.0.1:${server.port}/demo`);
  const refs = await listRefs(remote, { cacheFolder: folder.path });
  expect(refs.map(({ ref }) => formatRef(ref))).toEqual([hello, platform]);
  events.length = 0;
  expect(await listRefs(remote, { cacheFolder: folder.path })).toEqual(refs);
  const paths = events.flatMap((event) => (event.type === "registry.request" ? [`${event.method} ${event.path}`] : []));
  expect(
    paths.filter((path) => path.includes("blobs") || path.startsWith("GET /v2/demo/org.test.hello/manifests")),
  ).toEqual([]);
});

test.each([
  ["JSON of another shape", '{"Results": 7}', "REGISTRY_RESPONSE"],
  ["half a document", '{"Registry": "/", "Res', "REGISTRY_RESPONSE"],
  ["a registry elsewhere than http", '{"Registry": "file:///etc", "Results": []}', "REGISTRY_RESPONSE"],
])("listRefs() refuses an index that is %s", async (_name, body, code) => {
  using server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response(body) });
  const remote = remoteAt(`oci+http://127.0.0.1:${server.port}`);
  await expect(listRefs(remote)).rejects.toMatchObject({ code });
});

test("listRefs() refuses a server that answers pages to everything", async () => {
  const page = () => new Response("<html>Log in</html>", { headers: { "content-type": "text/html" } });
  using server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: page });
  await expect(listRefs(remoteAt(`oci+http://127.0.0.1:${server.port}`))).rejects.toMatchObject({
    code: "REGISTRY_RESPONSE",
  });
});

test("listRefs() says how to go on when a registry lists nothing", async () => {
  using server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response("{}", { status: 404 }) });
  await expect(listRefs(remoteAt(`oci+http://127.0.0.1:${server.port}/ns`))).rejects.toMatchObject({
    code: "REGISTRY_NOT_FOUND",
    hint: expect.stringContaining("docker://HOST/REPOSITORY:TAG"),
  });
});

test("listRefs() is REGISTRY_UNREACHABLE when nobody listens", async () => {
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response("") });
  const { port } = server;
  await server.stop(true);
  await expect(listRefs(remoteAt(`oci+http://127.0.0.1:${port}`))).rejects.toMatchObject({
    code: "REGISTRY_UNREACHABLE",
  });
}, 30_000);

test("listRefs() stops when it is cancelled", async () => {
  using server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Promise<Response>(() => undefined) });
  const stop = new AbortController();
  const listing = listRefs(remoteAt(`oci+http://127.0.0.1:${server.port}`), { signal: stop.signal });
  stop.abort();
  await expect(listing).rejects.toMatchObject({ code: "ABORTED" });
});

test("listRefs() says what is wrong when a layout has only an image that does not suit", async () => {
  using folder = new TestFolder();
  const plain = join(folder.path, "plain");
  addSample(plain, { ref: hello, labels: { "org.flatpak.ref": "nonsense" } });
  await expect(listRefs(remoteAt(`oci:${plain}`))).rejects.toMatchObject({ code: "REF_INVALID" });
  const damaged = join(folder.path, "damaged");
  const commit = addSample(damaged, { ref: hello });
  writeFileSync(join(damaged, "blobs/sha256", commit), "{}");
  await expect(listRefs(remoteAt(`oci:${damaged}`))).rejects.toMatchObject({
    code: expect.stringMatching(/DIGEST_MISMATCH|TRANSFER_INCOMPLETE/),
    message: expect.stringContaining(commit),
  });
});
