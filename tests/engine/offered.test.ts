// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { join } from "node:path";
import { listOffered, type OfferedFilter } from "../../src/engine/offered.ts";
import { push } from "../../src/engine/push.ts";
import { remoteInfo } from "../../src/engine/remoteinfo.ts";
import { serveRegistry } from "../../src/registry/server.ts";
import { addRemote } from "../../src/remotes/config.ts";
import { TestFolder } from "../store/images.ts";
import { addSample, appRef, arch, install, metadataFor, platform } from "./fixtures.ts";

const everything: OfferedFilter = {
  ...{ remote: undefined, arch: undefined, kind: undefined, appRuntime: undefined },
  ...{ updates: false, all: false, cached: false },
};

const text = (value: string): string => Buffer.from(`${value}\0\0s`).toString("base64");

test("listOffered() hides parts of others, and narrows by runtime, kind and what can be updated", async () => {
  using folder = new TestFolder();
  const store = folder.installation();
  const layout = join(folder.path, "layout");
  const eol = { "org.flatpak.commit-metadata.ostree.endoflife": text("Use another") };
  addSample(layout, { ref: appRef("Hello"), labels: eol });
  addSample(layout, { ref: appRef("Other"), metadata: metadataFor(appRef("Other"), `org.test.Old/${arch}/0`) });
  addSample(layout, { ref: platform });
  addSample(layout, { ref: `runtime/org.test.Hello.Locale/${arch}/stable` });
  await addRemote(store, "demo", { url: `oci:${layout}` });
  const list = async (filter: Partial<OfferedFilter>): Promise<unknown[]> =>
    (await listOffered([store], { ...everything, ...filter })).map(({ application }) => application);
  expect(await list({})).toEqual(["org.test.Hello", "org.test.Other", "org.test.Platform"]);
  expect(await list({ all: true, kind: "runtime" })).toEqual(["org.test.Hello.Locale", "org.test.Platform"]);
  expect(await list({ appRuntime: "org.test.Old" })).toEqual(["org.test.Other"]);
  expect(await list({ appRuntime: `org.test.Old/${arch}/1` })).toEqual([]);
  expect(await list({ arch: "other" })).toEqual([]);
  expect(await list({ arch: "*" })).toHaveLength(3);
  expect(await list({ remote: `oci:${layout}` })).toHaveLength(3);
  expect((await listOffered([store], everything))[0]).toMatchObject({ options: "eol=Use another" });
  await install(store, ["demo", "org.test.Hello"]);
  expect(await list({ updates: true })).toEqual([]);
  addSample(layout, { ref: appRef("Hello"), files: { more: "changed" } });
  expect(await list({ updates: true })).toEqual(["org.test.Hello"]);
  await expect(list({ remote: "none" })).rejects.toMatchObject({ code: "REMOTE_NOT_FOUND" });
});

test("listOffered() shows of a remote that is gone what folders of layouts hold, where only that is asked for", async () => {
  using folder = new TestFolder();
  const store = folder.installation();
  const [layout, medium] = [join(folder.path, "layout"), join(store.path, "sideload-repos/stick")];
  addSample(layout, { ref: platform });
  addSample(layout, { ref: appRef("Hello") });
  addSample(layout, { ref: appRef("Other") });
  const list = async (filter: Partial<OfferedFilter>): Promise<unknown[]> =>
    (await listOffered([store], { ...everything, ...filter })).map(({ application }) => application);
  {
    await using registry = await serveRegistry({ folder: join(folder.path, "registry"), listen: "127.0.0.1:0" });
    const url = `${registry.address.replace("http:", "oci+http:")}/apps`;
    await push(`oci:${layout}`, url);
    await addRemote(store, "demo", { url });
    expect(await list({})).toHaveLength(3);
    expect(await list({ sideloaded: true })).toEqual([]);
  }
  addSample(medium, { ref: appRef("Hello") });
  addSample(medium, { ref: platform });
  expect(await list({ sideloaded: true })).toEqual(["org.test.Hello", "org.test.Platform"]);
  const found = await remoteInfo([store], "demo", "org.test.Hello", { sideloaded: true });
  expect(found).toMatchObject({ ref: appRef("Hello"), remote: "demo" });
  const other = remoteInfo([store], "demo", "org.test.Other", { sideloaded: true });
  await expect(other).rejects.toMatchObject({ code: "REF_NOT_FOUND" });
});

test("remoteInfo() shows one version or all that tags stand for", async () => {
  using folder = new TestFolder();
  await using registry = await serveRegistry({ folder: join(folder.path, "registry"), listen: "127.0.0.1:0" });
  const store = folder.installation();
  const layout = join(folder.path, "layout");
  const label = (at: number) => ({ "org.flatpak.timestamp": String(at), "org.flatpak.subject": `Version ${at}` });
  const first = addSample(layout, { ref: appRef("Hello"), labels: label(1) });
  await push(`oci:${layout}`, `${registry.address.replace("http:", "docker:")}/apps/org.test.hello:old`);
  const second = addSample(layout, { ref: appRef("Hello"), labels: label(2) });
  await push(`oci:${layout}`, `${registry.address.replace("http:", "oci+http:")}/apps`);
  await addRemote(store, "demo", { url: `${registry.address.replace("http:", "oci+http:")}/apps` });
  const found = await remoteInfo([store], "demo", "org.test.Hello", { log: true });
  expect(found).toMatchObject({
    ...{ name: "Hello", ref: appRef("Hello"), commit: second, remote: "demo", subject: "Version 2", timestamp: 2 },
    runtime: `org.test.Platform/${arch}/1`,
    metadata: metadataFor(appRef("Hello")),
  });
  expect(found.log.map(({ commit, subject }) => [commit, subject])).toEqual([
    [second, "Version 2"],
    [first, "Version 1"],
  ]);
  const old = await remoteInfo([store], "demo", "org.test.Hello", { commit: first });
  expect([old.commit, old.subject]).toEqual([first, "Version 1"]);
  await expect(remoteInfo([store], "demo", "org.test.Hello", { commit: "xyz" })).rejects.toMatchObject({
    code: "USAGE",
  });
  await expect(remoteInfo([store], "demo", "org.test.None")).rejects.toMatchObject({ code: "REF_NOT_FOUND" });
  await registry.stop();
  expect((await remoteInfo([store], "demo", "org.test.Hello", { cached: true })).commit).toBe(second);
});
