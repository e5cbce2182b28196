// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { push } from "../../src/engine/push.ts";
import { formatRef } from "../../src/metadata/ref.ts";
import { serveRegistry } from "../../src/registry/server.ts";
import { listRefs } from "../../src/remotes/catalogue.ts";
import { addRemote, getRemote, listRemotes } from "../../src/remotes/config.ts";
import { listDeployments } from "../../src/store/deployments.ts";
import { sampleLayout } from "../oci/sample.ts";
import { TestFolder } from "../store/images.ts";
import { addSample, appRef, install, platform, recorder } from "./fixtures.ts";

const hello = appRef("Hello");

test("push() puts an image under its branch and latest, and install finds it and its runtime there", async () => {
  using folder = new TestFolder();
  await using registry = await serveRegistry({ folder: join(folder.path, "registry"), listen: "127.0.0.1:0" });
  const address = registry.address.replace("http:", "oci+http:");
  const layout = join(folder.path, "layout");
  addSample(layout, { ref: platform });
  const commit = addSample(layout, { ref: hello });
  const { events, report } = recorder();
  const [pushed] = await push(`oci:${layout}:${hello}`, `${address}/demo`, { report });
  expect(pushed).toEqual({
    ref: hello,
    reference: `${registry.address.replace("http:", "docker:")}/demo/org.test.hello:stable`,
    digest: `sha256:${commit}`,
  });
  expect(events.filter(({ type }) => type === "push.done")).toHaveLength(2);
  expect(events.filter(({ type }) => type === "push.blob")).toHaveLength(2);
  await push(`oci:${layout}:${platform}`, `${address}/demo`);

  const store = folder.installation();
  await addRemote(store, "demo", { url: `${address}/demo` });
  const refs = await listRefs(getRemote(store, "demo"), { cacheFolder: store.path });
  expect(refs.map(({ ref }) => formatRef(ref))).toEqual([hello, platform]);
  expect(existsSync(join(store.path, "oci/demo.index.json"))).toBe(true);
  const { installed } = await install(store, ["demo", "org.test.Hello"]);
  expect(installed.map(({ ref }) => formatRef(ref))).toEqual([platform, hello]);
  expect(listDeployments(store)[0]).toMatchObject({ commit, origin: "demo" });
  expect(listRemotes(store).map(({ name }) => name)).toEqual(["demo"]);
});

test("listRefs() sees every branch of a repository when later pushes took the tag latest", async () => {
  using folder = new TestFolder();
  await using registry = await serveRegistry({ folder: join(folder.path, "registry"), listen: "127.0.0.1:0" });
  const address = registry.address.replace("http:", "oci+http:");
  const layout = join(folder.path, "layout");
  const refs = [appRef("Hello", "beta"), appRef("Hello", "stable")];
  for (const ref of refs) {
    addSample(layout, { ref });
    await push(`oci:${layout}:${ref}`, address);
  }
  const store = folder.installation();
  await addRemote(store, "demo", { url: address });
  const found = await listRefs(getRemote(store, "demo"));
  expect(found.map(({ ref }) => formatRef(ref))).toEqual(refs);
  await addRemote(store, "beta", { url: `${address}#beta` });
  expect((await listRefs(getRemote(store, "beta"))).map(({ ref }) => ref.branch)).toEqual(["beta"]);
});

test("install of docker://HOST/REPO:TAG notes an origin remote that update can use", async () => {
  using folder = new TestFolder();
  await using registry = await serveRegistry({ folder: join(folder.path, "registry"), listen: "127.0.0.1:0" });
  const docker = registry.address.replace("http:", "docker:");
  const layout = join(folder.path, "layout");
  addSample(layout, { ref: hello });
  await push(`oci:${layout}`, `${docker}/any/name:v1`);
  const store = folder.installation();
  const { installed } = await install(store, [`${docker}/any/name:v1`], { noDeps: true });
  expect(installed[0]).toMatchObject({ origin: "hello-origin", source: `${docker}/any/name` });
  expect(getRemote(store, "hello-origin")).toMatchObject({ url: `${docker}/any/name:v1`, noEnumerate: true });
});

test("push() takes the blobs of an installed ref from where it came from, and says so when they are gone", async () => {
  using folder = new TestFolder();
  await using registry = await serveRegistry({ folder: join(folder.path, "registry"), listen: "127.0.0.1:0" });
  const address = registry.address.replace("http:", "oci+http:");
  const layout = join(folder.path, "layout");
  const commit = addSample(layout, { ref: hello });
  const store = folder.installation();
  await install(store, [`oci:${layout}`], { noDeps: true });
  const [pushed] = await push("org.test.Hello", `${address}/a`, { installations: [store] });
  expect(pushed?.digest).toBe(`sha256:${commit}`);
  addSample(layout, { ref: hello, files: { more: "changed" } });
  await expect(push("org.test.Hello", `${address}/b`, { installations: [store] })).rejects.toMatchObject({
    code: "REF_NOT_FOUND",
    hint: expect.stringContaining("push oci:FOLDER"),
  });
  const kept = join(folder.path, "kept");
  expect(addSample(kept, { ref: hello })).toBe(commit);
  await push("org.test.Hello", `${address}/b`, { installations: [store], layouts: [kept] });
});

test("push() of a layout without a ref takes all its images to a namespace, and asks for one elsewhere", async () => {
  using folder = new TestFolder();
  await using registry = await serveRegistry({ folder: join(folder.path, "registry"), listen: "127.0.0.1:0" });
  const layout = join(folder.path, "layout");
  for (const ref of [platform, hello]) addSample(layout, { ref });
  const pushed = await push(`oci:${layout}`, `oci+${registry.address}/demo`);
  expect(pushed.map(({ ref }) => ref)).toEqual([hello, platform]);
  const single = `${registry.address.replace("http:", "docker:")}/demo/one:v1`;
  await expect(push(`oci:${layout}`, single)).rejects.toMatchObject({ code: "REF_AMBIGUOUS" });
});

test("push() keeps what another architecture has under the same tags", async () => {
  using folder = new TestFolder();
  await using registry = await serveRegistry({ folder: join(folder.path, "registry"), listen: "127.0.0.1:0" });
  const address = `oci+${registry.address}`;
  const images = [
    { one: "x86_64", architecture: "amd64" },
    { one: "aarch64", architecture: "arm64" },
  ];
  const commits: string[][] = [];
  for (const { one, architecture } of images) {
    const layout = join(folder.path, one);
    const { descriptor } = await sampleLayout(layout, { ref: `app/org.example.Hello/${one}/stable`, architecture });
    commits.push([one, descriptor.digest.slice("sha256:".length)]);
    await push(`oci:${layout}`, `${address}/demo`, { arch: one });
  }
  const store = folder.installation();
  await addRemote(store, "demo", { url: `${address}/demo` });
  for (const [one = "", commit = ""] of commits) {
    const refs = await listRefs(getRemote(store, "demo"), { arch: one });
    expect(refs.map((found) => [found.ref.arch, found.commit])).toEqual([[one, commit]]);
  }
});

test.each([
  ["oci:/tmp/x", "IMAGE_REFERENCE_INVALID"],
  ["https://host/x", "IMAGE_REFERENCE_INVALID"],
  ["docker://host/x@sha256:00", "IMAGE_REFERENCE_INVALID"],
  ["oci+http://127.0.0.1:1/Upper", "IMAGE_REFERENCE_INVALID"],
])("push() refuses the destination %p", async (destination, code) => {
  using folder = new TestFolder();
  const layout = join(folder.path, "layout");
  addSample(layout, { ref: hello });
  await expect(push(`oci:${layout}`, destination)).rejects.toMatchObject({ code });
});
