// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execute } from "../../src/engine/execute.ts";
import { prepareInstall } from "../../src/engine/prepareinstall.ts";
import { prepareUninstall } from "../../src/engine/prepareuninstall.ts";
import { prepareUpdate } from "../../src/engine/prepareupdate.ts";
import { formatRef } from "../../src/metadata/ref.ts";
import { addRemote, deleteRemote, listRemotes, modifyRemote } from "../../src/remotes/config.ts";
import { currentRef, listDeployments } from "../../src/store/deployments.ts";
import type { Installation } from "../../src/store/installation.ts";
import { changeSetting } from "../../src/store/settings.ts";
import { TestFolder } from "../store/images.ts";
import { addSample, appRef, arch, install, platform, recorder } from "./fixtures.ts";

const hello = appRef("Hello");
const other = appRef("Other");

function installedRefs(store: Installation): string[] {
  return listDeployments(store).map(({ ref }) => formatRef(ref));
}

/** An installation with the remote `local`, a layout that has Hello, Other and their runtime. */
async function sample(folder: TestFolder) {
  const layout = join(folder.path, "layout");
  for (const ref of [platform, hello, other]) addSample(layout, { ref });
  const store = folder.installation();
  await addRemote(store, "local", { url: `oci:${layout}` });
  return { layout, store };
}

test("install takes several refs, and their runtime once", async () => {
  using folder = new TestFolder();
  const { store } = await sample(folder);
  const { events, report } = recorder();
  const { installed } = await install(store, ["org.test.Hello", "org.test.Other"], { report });
  expect(installed.map(({ ref }) => formatRef(ref))).toEqual([platform, hello, other]);
  expect(events[0]).toMatchObject({
    type: "transaction.plan",
    operations: [platform, hello, other].map((ref) => ({ operation: "install", ref, origin: "local" })),
  });
  expect(events.filter(({ type }) => type === "operation.done")).toHaveLength(3);
});

test("install passes over what is there already and refuses it from another remote, updates it with orUpdate, and redoes it with reinstall", async () => {
  using folder = new TestFolder();
  const { layout, store } = await sample(folder);
  await install(store, ["local", "org.test.Hello"]);
  expect(await install(store, ["local", "org.test.Hello"])).toMatchObject({ installed: [], updated: [] });
  await addRemote(store, "other", { url: `oci:${layout}` });
  await expect(install(store, ["other", "org.test.Hello"])).rejects.toMatchObject({ code: "ALREADY_INSTALLED" });
  await deleteRemote(store, "other", { force: true });
  expect(await install(store, ["local", "org.test.Hello"], { orUpdate: true })).toMatchObject({ updated: [] });
  expect((await install(store, ["org.test.Hello"], { reinstall: true })).installed).toHaveLength(1);
  const commit = addSample(layout, { ref: hello, files: { new: "version" } });
  expect(await install(store, ["org.test.Hello"], { orUpdate: true })).toMatchObject({ updated: [{ commit }] });
});

test("install passes over what is there when something else is new", async () => {
  using folder = new TestFolder();
  const { store } = await sample(folder);
  await install(store, ["org.test.Hello"]);
  const { events, report } = recorder();
  const { installed } = await install(store, ["org.test.Hello", "org.test.Other"], { report });
  expect(installed.map(({ ref }) => formatRef(ref))).toEqual([other]);
  expect(events).toContainEqual({
    type: "operation.skip",
    operation: "install",
    ref: hello,
    reason: "it is installed already",
  });
});

test("install finds a runtime in the remote of highest priority that serves dependencies", async () => {
  using folder = new TestFolder();
  const store = folder.installation();
  const layouts = ["apps", "hidden", "low", "high"].map((name) => join(folder.path, name));
  const [apps = "", ...runtimes] = layouts;
  addSample(apps, { ref: hello });
  for (const layout of runtimes) addSample(layout, { ref: platform, files: { from: layout } });
  await addRemote(store, "apps", { url: `oci:${apps}` });
  await addRemote(store, "hidden", { url: `oci:${runtimes[0]}`, priority: 9, noDeps: true });
  await addRemote(store, "low", { url: `oci:${runtimes[1]}`, priority: 0 });
  await addRemote(store, "high", { url: `oci:${runtimes[2]}`, priority: 2 });
  const { installed } = await install(store, ["apps", "org.test.Hello"]);
  expect(installed.map(({ ref, origin }) => [formatRef(ref), origin])).toEqual([
    [platform, "high"],
    [hello, "apps"],
  ]);
});

test("install does without a runtime that another installation has", async () => {
  using folder = new TestFolder();
  const { store } = await sample(folder);
  const user = folder.installation("user", "user");
  await install(store, ["local", "org.test.Platform"]);
  const layout = join(folder.path, "apps");
  addSample(layout, { ref: hello });
  await install(user, [`oci:${layout}`], { installations: [user, store] });
  expect(installedRefs(user)).toEqual([hello]);
});

test("install names the runtime that nobody has, and installs nothing", async () => {
  using folder = new TestFolder();
  const layout = join(folder.path, "layout");
  addSample(layout, { ref: hello });
  const store = folder.installation();
  await expect(install(store, [`oci:${layout}`])).rejects.toMatchObject({
    code: "RUNTIME_NOT_FOUND",
    message: expect.stringContaining(platform),
  });
  expect(installedRefs(store)).toEqual([]);
  expect(listRemotes(store)).toEqual([]);
  await install(store, [`oci:${layout}`], { noDeps: true });
  expect(installedRefs(store)).toEqual([hello]);
});

test("install goes on to the next remote when one does not answer", async () => {
  using folder = new TestFolder();
  const { store } = await sample(folder);
  await addRemote(store, "broken", { url: `oci:${folder.path}/none`, priority: 5 });
  const { events, report } = recorder();
  await install(store, ["org.test.Hello"], { report });
  expect(installedRefs(store)).toEqual([hello, platform]);
  expect(events).toContainEqual({ type: "warning", text: expect.stringContaining("Remote broken") });
});

test("install suggests ids when one is mistyped or shortened", async () => {
  using folder = new TestFolder();
  const { store } = await sample(folder);
  for (const word of ["org.test.Helo", "hello"]) {
    await expect(install(store, [word])).rejects.toMatchObject({
      code: "REF_NOT_FOUND",
      hint: "Did you mean org.test.Hello?",
    });
  }
});

test("install lists the images of a layout when none of several is named", async () => {
  using folder = new TestFolder();
  const { layout, store } = await sample(folder);
  await expect(install(store, [`oci:${layout}`])).rejects.toMatchObject({
    code: "REF_AMBIGUOUS",
    message: expect.stringContaining(hello),
  });
  const { installed } = await install(store, [`oci:${layout}`], { kind: "runtime" });
  expect(installed.map(({ ref }) => formatRef(ref))).toEqual([platform]);
});

test("install refuses a remote that wants signatures, and a disabled one", async () => {
  using folder = new TestFolder();
  const { store } = await sample(folder);
  await modifyRemote(store, "local", { gpgVerify: true });
  await expect(install(store, ["local", "org.test.Hello"])).rejects.toMatchObject({ code: "POLICY_REFUSED" });
  await modifyRemote(store, "local", { gpgVerify: false, disabled: true });
  await expect(install(store, ["local", "org.test.Hello"])).rejects.toMatchObject({ code: "REMOTE_NOT_FOUND" });
  await expect(install(store, ["org.test.Hello"])).rejects.toMatchObject({ code: "REF_NOT_FOUND" });
});

test("update does nothing when nothing is new, and takes apps and runtimes when both are", async () => {
  using folder = new TestFolder();
  const { layout, store } = await sample(folder);
  await install(store, ["org.test.Hello", "org.test.Other"]);
  const idle = await prepareUpdate(store, []);
  expect(idle.operations).toEqual([]);
  expect(idle.skipped).toHaveLength(3);
  expect(await execute(idle, store)).toEqual({ installed: [], updated: [], uninstalled: [] });
  const commits = [platform, hello].map((ref) => addSample(layout, { ref, files: { new: ref } }));
  const { updated } = await execute(await prepareUpdate(store, []), store);
  expect(updated.map(({ ref, commit }) => [formatRef(ref), commit])).toEqual([
    [platform, commits[0] ?? ""],
    [hello, commits[1] ?? ""],
  ]);
  expect(readFileSync(join(updated[1]?.path ?? "", "files/new"), "utf8")).toBe(hello);
});

test("update of a named app takes its runtime with it, and leaves other apps", async () => {
  using folder = new TestFolder();
  const { layout, store } = await sample(folder);
  await install(store, ["org.test.Hello", "org.test.Other"]);
  for (const ref of [platform, hello, other]) addSample(layout, { ref, files: { new: ref } });
  const names = async (options: { noDeps?: boolean }) =>
    (await prepareUpdate(store, ["org.test.Hello"], options)).operations.map(({ ref }) => formatRef(ref));
  expect(await names({})).toEqual([platform, hello]);
  expect(await names({ noDeps: true })).toEqual([hello]);
});

test("update installs a runtime that the newer app needs in addition", async () => {
  using folder = new TestFolder();
  const { layout, store } = await sample(folder);
  await install(store, ["org.test.Hello"]);
  const next = `runtime/org.test.Platform/${arch}/2`;
  addSample(layout, { ref: hello, runtime: `org.test.Platform/${arch}/2` });
  await expect(execute(await prepareUpdate(store, []), store)).rejects.toMatchObject({ code: "RUNTIME_NOT_FOUND" });
  addSample(layout, { ref: next });
  const { installed, updated } = await execute(await prepareUpdate(store, []), store);
  expect([...installed, ...updated].map(({ ref }) => formatRef(ref))).toEqual([next, hello]);
});

test("update leaves the others alone when one cannot be looked up", async () => {
  using folder = new TestFolder();
  const { layout, store } = await sample(folder);
  const second = join(folder.path, "second");
  addSample(second, { ref: appRef("Second") });
  await addRemote(store, "second", { url: `oci:${second}` });
  await install(store, ["org.test.Hello", "org.test.Second"]);
  const commit = addSample(layout, { ref: hello, files: { new: "x" } });
  writeFileSync(join(second, "index.json"), "broken");
  await expect(execute(await prepareUpdate(store, []), store)).rejects.toMatchObject({
    code: "OCI_MANIFEST_INVALID",
    message: expect.stringContaining(`update ${appRef("Second")}`),
  });
  expect(listDeployments(store).find(({ ref }) => ref.id === "org.test.Hello")?.commit).toBe(commit);
});

test("update passes over refs whose layout is gone, and refuses names that are not installed", async () => {
  using folder = new TestFolder();
  const { layout, store } = await sample(folder);
  await install(store, ["org.test.Hello"]);
  rmSync(layout, { recursive: true });
  const plan = await prepareUpdate(store, []);
  expect(plan).toMatchObject({ operations: [], failed: [] });
  expect(plan.skipped.map(({ reason }) => reason)).toEqual(Array(2).fill(`oci:${layout} is not there any more`));
  await expect(prepareUpdate(store, ["org.test.Helo"])).rejects.toMatchObject({
    code: "NOT_INSTALLED",
    hint: "Did you mean org.test.Hello?",
  });
});

test("execute() lists all failures when several operations fail, and passes over those that need a failed one", async () => {
  using folder = new TestFolder();
  const store = folder.installation();
  const layout = join(folder.path, "layout");
  for (const ref of [platform, hello, other, appRef("Alone")]) {
    addSample(layout, { ref, ...(ref === appRef("Alone") ? { runtime: `org.test.Else/${arch}/1` } : {}) });
  }
  addSample(layout, { ref: `runtime/org.test.Else/${arch}/1` });
  await addRemote(store, "local", { url: `oci:${layout}` });
  const plan = await prepareInstall(store, ["org.test.Hello", "org.test.Other", "org.test.Alone"]);
  for (const name of [hello, platform]) breakLayer(layout, name);
  const { events, report } = recorder();
  await expect(execute(plan, store, { report })).rejects.toMatchObject({
    code: "DIGEST_MISMATCH",
    message: expect.stringContaining(`install ${platform}`),
  });
  expect(installedRefs(store)).toEqual([appRef("Alone"), `runtime/org.test.Else/${arch}/1`]);
  const skipped = events.flatMap((event) => (event.type === "operation.skip" ? [event.ref, event.reason] : []));
  expect(skipped).toEqual([hello, `${platform} failed`, other, `${platform} failed`]);
  breakLayer(layout, other);
  const both = await prepareInstall(store, ["org.test.Hello", "org.test.Other"], { noDeps: true });
  await expect(execute(both, store)).rejects.toMatchObject({
    code: "TRANSACTION_FAILED",
    message: expect.stringMatching(/2 of 2 operations failed:\n.*Hello.*\n.*Other/),
  });
});

/** Overwrites the layer of an image with other bytes of the same length. */
function breakLayer(layout: string, name: string): void {
  const blob = (digest: string): string => join(layout, "blobs", digest.replace(":", "/"));
  const { manifests } = JSON.parse(readFileSync(join(layout, "index.json"), "utf8"));
  const entry = manifests.find(
    ({ annotations }: { annotations: Record<string, string> }) => Object.values(annotations)[0] === name,
  );
  const [layer] = JSON.parse(readFileSync(blob(entry.digest), "utf8")).layers;
  const bytes = readFileSync(blob(layer.digest));
  const middle = Math.floor(bytes.length / 2);
  bytes[middle] = (bytes[middle] ?? 0) ^ 0xff;
  writeFileSync(blob(layer.digest), bytes);
}

test("uninstall refuses a runtime that is used, takes both together, and forgets origin remotes", async () => {
  using folder = new TestFolder();
  const { layout, store } = await sample(folder);
  await install(store, [`oci:${layout}`, "org.test.Hello"]);
  expect(() => prepareUninstall(store, ["org.test.Platform"])).toThrow(
    expect.objectContaining({ code: "RUNTIME_USED", message: expect.stringContaining(hello) }),
  );
  const plan = prepareUninstall(store, ["org.test.Platform", "org.test.Hello"]);
  const { uninstalled } = await execute(plan, store);
  expect(uninstalled.map(({ ref }) => formatRef(ref))).toEqual([hello, platform]);
  expect(installedRefs(store)).toEqual([]);
  expect(listRemotes(store).map(({ name }) => name)).toEqual(["local"]);
  expect(readdirSync(store.images)).toEqual([]);
});

test("uninstall looks at the apps of other installations when a runtime goes", async () => {
  using folder = new TestFolder();
  const { store } = await sample(folder);
  const user = { ...folder.installation("user", "user"), name: "user" };
  await install(store, ["local", "org.test.Platform"]);
  const apps = join(folder.path, "apps");
  addSample(apps, { ref: hello });
  await install(user, [`oci:${apps}`], { installations: [store] });
  expect(() => prepareUninstall(store, ["org.test.Platform"], { installations: [user] })).toThrow(
    expect.objectContaining({ code: "RUNTIME_USED" }),
  );
  await execute(prepareUninstall(store, ["org.test.Platform"], { installations: [user], forceRemove: true }), store);
  expect(installedRefs(store)).toEqual([]);
});

test("uninstall removes unused runtimes only, or everything", async () => {
  using folder = new TestFolder();
  const { layout, store } = await sample(folder);
  const spare = `runtime/org.test.Spare/${arch}/1`;
  addSample(layout, { ref: spare });
  await install(store, ["org.test.Hello", "org.test.Spare"]);
  const unused = () => prepareUninstall(store, [], { unused: true }).operations.map(({ ref }) => formatRef(ref));
  expect(unused()).toEqual([]);
  const { events, report } = recorder();
  prepareUninstall(store, [], { unused: true, report });
  expect(events).toEqual([{ type: "note", text: `${spare} is pinned and stays` }]);
  await changeSetting(store, "pinned", () => undefined);
  expect(unused()).toEqual([spare]);
  const all = prepareUninstall(store, [], { all: true });
  expect(all.operations.map(({ ref }) => formatRef(ref))).toEqual([hello, platform, spare]);
  expect(() => prepareUninstall(store, [])).toThrow(expect.objectContaining({ code: "USAGE" }));
});

test("uninstall makes another branch current, and asks which one when several fit", async () => {
  using folder = new TestFolder();
  const { layout, store } = await sample(folder);
  const beta = appRef("Hello", "beta");
  addSample(layout, { ref: beta });
  await install(store, [hello, beta]);
  expect(currentRef(store, "org.test.Hello")?.branch).toBe("beta");
  expect(() => prepareUninstall(store, ["org.test.Hello"])).toThrow(
    expect.objectContaining({ code: "REF_AMBIGUOUS", message: expect.stringContaining(beta) }),
  );
  await execute(prepareUninstall(store, ["org.test.Hello//beta"]), store);
  expect(currentRef(store, "org.test.Hello")?.branch).toBe("stable");
});

test("uninstall removes an app's data when told to, and never what a link there leads to", async () => {
  using folder = new TestFolder();
  const { store } = await sample(folder);
  const home = process.env["HOME"];
  process.env["HOME"] = join(folder.path, "home");
  try {
    const data = join(folder.path, "home/.var/app/org.test.Hello");
    const outside = join(folder.path, "outside");
    for (const path of [join(data, "config"), outside]) mkdirSync(path, { recursive: true });
    writeFileSync(join(outside, "precious"), "");
    symlinkSync(outside, join(data, "config/link"));
    await install(store, ["org.test.Hello"]);
    await execute(prepareUninstall(store, ["org.test.Hello"]), store);
    expect(existsSync(data)).toBe(true);
    await install(store, ["org.test.Hello"]);
    await execute(prepareUninstall(store, ["org.test.Hello"], { deleteData: true }), store);
    expect(existsSync(data)).toBe(false);
    expect(existsSync(join(outside, "precious"))).toBe(true);
  } finally {
    if (home === undefined) delete process.env["HOME"];
    else process.env["HOME"] = home;
  }
});
