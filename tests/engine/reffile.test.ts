// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { execute } from "../../src/engine/execute.ts";
import { prepareUpdate } from "../../src/engine/prepareupdate.ts";
import { push } from "../../src/engine/push.ts";
import { formatRef } from "../../src/metadata/ref.ts";
import { serveRegistry } from "../../src/registry/server.ts";
import { addRemote, getRemote, listRemotes } from "../../src/remotes/config.ts";
import { listDeployments } from "../../src/store/deployments.ts";
import { TestFolder } from "../store/images.ts";
import { addSample, appRef, install, platform, recorder } from "./fixtures.ts";

const hello = appRef("Hello");

/** A registry whose namespace `apps` has an app and whose namespace `runtimes` has its runtime. */
async function publish(folder: TestFolder) {
  const registry = await serveRegistry({ folder: join(folder.path, "registry"), listen: "127.0.0.1:0" });
  const address = registry.address.replace("http:", "oci+http:");
  const layout = join(folder.path, "layout");
  addSample(layout, { ref: hello });
  addSample(layout, { ref: platform });
  await push(`oci:${layout}:${hello}`, `${address}/apps`);
  await push(`oci:${layout}:${platform}`, `${address}/runtimes`);
  const refFile = join(folder.path, "hello.flatpakref");
  const repoFile = join(folder.path, "runtimes.flatpakrepo");
  writeFileSync(repoFile, `[Flatpak Repo]\nTitle=Runtimes\nUrl=${address}/runtimes\n`);
  const lines = ["[Flatpak Ref]", "Name=org.test.Hello", "Branch=stable", `Url=${address}/apps`, "Title=Hello"];
  writeFileSync(refFile, `${lines.join("\n")}\nRuntimeRepo=${repoFile}\n`);
  return { registry, address, layout, refFile };
}

test("install of a .flatpakref makes an origin remote, and one for the runtime it names", async () => {
  using folder = new TestFolder();
  const { registry, address, refFile } = await publish(folder);
  await using _registry = registry;
  const store = folder.installation();
  const { events, report } = recorder();
  const { installed } = await install(store, [refFile], { report });
  expect(installed.map(({ ref, origin }) => [formatRef(ref), origin])).toEqual([
    [platform, "runtimes"],
    [hello, "hello-origin"],
  ]);
  expect(getRemote(store, "hello-origin")).toMatchObject({ url: `${address}/apps`, title: "Hello", noEnumerate: true });
  expect(getRemote(store, "runtimes")).toMatchObject({ title: "Runtimes", noEnumerate: false, priority: 1 });
  expect(events).toContainEqual({ type: "note", text: `The remote runtimes (${address}/runtimes) will be added` });
});

test("install of a .flatpakref takes the remote that has its URL, or the name it suggests", async () => {
  using folder = new TestFolder();
  const { registry, address, layout, refFile } = await publish(folder);
  await using _registry = registry;
  const store = folder.installation("first");
  await addRemote(store, "mine", { url: `${address}/apps` });
  await addRemote(store, "others", { url: `${address}/runtimes` });
  await install(store, [refFile]);
  expect(listDeployments(store).map(({ origin }) => origin)).toEqual(["mine", "others"]);
  expect(listRemotes(store).map(({ name }) => name)).toEqual(["mine", "others"]);

  const suggesting = join(folder.path, "suggesting.flatpakref");
  writeFileSync(
    suggesting,
    `[Flatpak Ref]\nName=org.test.Hello\nBranch=stable\nUrl=oci:${layout}\nSuggestRemoteName=shop\n`,
  );
  const second = folder.installation("second");
  await install(second, [suggesting]);
  expect(getRemote(second, "shop")).toMatchObject({ url: `oci:${layout}`, noEnumerate: false });
});

test("install of a .flatpakref leaves no remote behind when it fails", async () => {
  using folder = new TestFolder();
  const { registry, refFile, address } = await publish(folder);
  await using _registry = registry;
  writeFileSync(refFile, `[Flatpak Ref]\nName=org.test.Other\nBranch=stable\nUrl=${address}/apps\n`);
  const store = folder.installation();
  await expect(install(store, [refFile])).rejects.toMatchObject({ code: "REF_NOT_FOUND" });
  writeFileSync(refFile, "[Flatpak Ref]\nName=org.test.Hello\nUrl=https://dl.example/repo/\n");
  await expect(install(store, [refFile])).rejects.toMatchObject({ code: "UNSUPPORTED" });
  expect(listRemotes(store)).toEqual([]);
});

test("install of docker://HOST/REPOSITORY:TAG@DIGEST takes the digest, and updates follow the tag", async () => {
  using folder = new TestFolder();
  const { registry, layout, address } = await publish(folder);
  await using _registry = registry;
  const store = folder.installation();
  const host = registry.address.replace("http://", "");
  const { installed } = await install(store, [`docker://${host}/runtimes/org.test.platform:1`]);
  const first = installed[0]?.commit ?? "";
  const second = addSample(layout, { ref: platform, files: { new: "file" } });
  await push(`oci:${layout}:${platform}`, `${address}/runtimes`);

  const pinned = folder.installation("pinned");
  await install(pinned, [`docker://${host}/runtimes/org.test.platform:1@sha256:${first}`]);
  expect(listDeployments(pinned)[0]?.commit).toBe(first);
  expect(getRemote(pinned, "platform-origin").url).toBe(`docker://${host}/runtimes/org.test.platform:1`);
  await execute(await prepareUpdate(pinned, []), pinned);
  expect(listDeployments(pinned)[0]?.commit).toBe(second);

  const forever = folder.installation("forever");
  await install(forever, [`docker://${host}/runtimes/org.test.platform@sha256:${first}`]);
  expect((await prepareUpdate(forever, [])).operations).toEqual([]);
});
