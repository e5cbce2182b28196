// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { join } from "node:path";
import type { DowelEvent } from "../../src/base/events.ts";
import { makeCurrent } from "../../src/engine/current.ts";
import { prepareInstall } from "../../src/engine/prepareinstall.ts";
import { prepareUninstall } from "../../src/engine/prepareuninstall.ts";
import { prepareUpdate } from "../../src/engine/prepareupdate.ts";
import { isSound, repair } from "../../src/engine/repair.ts";
import { transact } from "../../src/engine/transact.ts";
import { formatRef } from "../../src/metadata/ref.ts";
import { addRemote, listRemotes } from "../../src/remotes/config.ts";
import { activeDeployment, currentRef, listDeployments } from "../../src/store/deployments.ts";
import type { Installation } from "../../src/store/installation.ts";
import { TestFolder } from "../store/images.ts";
import { addSample, appRef, install, platform, recorder } from "./fixtures.ts";

const [hello, other, third] = [appRef("Hello"), appRef("Other"), appRef("Third")];

function commits(store: Installation): ReadonlyMap<string, string> {
  return new Map(listDeployments(store).map(({ ref, commit }) => [formatRef(ref), commit]));
}

async function publish(folder: TestFolder, text: string): Promise<{ layout: string; wanted: Map<string, string> }> {
  const layout = join(folder.path, "layout");
  const refs = [platform, hello, other];
  return { layout, wanted: new Map(refs.map((ref) => [ref, addSample(layout, { ref, files: { text } })])) };
}

async function expectSound(store: Installation): Promise<void> {
  expect(isSound(await repair(store, { dryRun: true }))).toBe(true);
}

test("an update that is cancelled at any event leaves each ref old or new, and the next one completes it", async () => {
  using folder = new TestFolder();
  const { layout, wanted: old } = await publish(folder, "old");
  const store = folder.installation();
  await addRemote(store, "local", { url: `oci:${layout}` });
  await install(store, ["org.test.Hello", "org.test.Other"]);
  for (let events = 1, ended = false; !ended; events++) {
    const { wanted } = await publish(folder, `new ${events}`);
    const before = commits(store);
    const stop = new AbortController();
    let count = 0;
    const report = (_: DowelEvent): void => {
      if (++count === events) stop.abort();
    };
    const prepare = () => prepareUpdate(store, []);
    const cancelled = await transact({ installation: store, prepare }, { report, signal: stop.signal }).then(
      () => false,
      (error: { code: string }) => error.code === "ABORTED",
    );
    ended = !stop.signal.aborted;
    expect(cancelled || count >= events || ended).toBe(true);
    for (const [ref, commit] of commits(store)) expect([before.get(ref), wanted.get(ref)]).toContain(commit);
    await expectSound(store);
    await transact({ installation: store, prepare });
    expect([...commits(store)].sort()).toEqual([...wanted].sort());
  }
  expect(old.size).toBe(3);
}, 60_000);

test("two transactions at once in one installation both complete", async () => {
  using folder = new TestFolder();
  const { layout, wanted } = await publish(folder, "text");
  wanted.set(third, addSample(layout, { ref: third }));
  const store = folder.installation();
  await addRemote(store, "local", { url: `oci:${layout}` });
  await Promise.all([["org.test.Hello"], ["org.test.Other"], ["org.test.Third"]].map((words) => install(store, words)));
  expect([...commits(store)].sort()).toEqual([...wanted].sort());
  await expectSound(store);
  const { wanted: next } = await publish(folder, "next");
  const update = transact({ installation: store, prepare: () => prepareUpdate(store, []) });
  const removal = transact({ installation: store, prepare: () => prepareUninstall(store, ["org.test.Third"]) });
  await Promise.all([update, removal]);
  expect([...commits(store)].sort()).toEqual([...next].sort());
  await expectSound(store);
});

test("the user's installation and the system's hold one app side by side, each from its own remote", async () => {
  using folder = new TestFolder();
  const { layout } = await publish(folder, "text");
  const [system, user] = [folder.installation("system"), folder.installation("user", "user")];
  const installations = [user, system];
  for (const store of installations) await addRemote(store, "local", { url: `oci:${layout}` });
  await install(system, ["org.test.Hello"], { installations });
  await install(user, ["org.test.Hello"], { installations });
  expect([...commits(user).keys()]).toEqual([hello]);
  expect([...commits(system).keys()]).toEqual([hello, platform]);
  const prepare = () => prepareUninstall(system, [], { all: true, installations });
  const { events, report } = recorder();
  await transact({
    installation: system,
    prepare: () => prepareUninstall(system, [], { all: true, installations, report }),
  });
  expect(events).toContainEqual({ type: "warning", text: expect.stringContaining("in another installation") });
  expect(prepare().operations).toEqual([]);
  expect([...commits(user).keys()]).toEqual([hello]);
});

test("a successor takes the place of an app that has reached its end, and knows whose data are its own", async () => {
  using folder = new TestFolder();
  const { layout } = await publish(folder, "old");
  const store = folder.installation();
  await addRemote(store, "local", { url: `oci:${layout}` });
  await install(store, ["org.test.Hello"]);
  const label = Buffer.from(`${third}\0\0s`).toString("base64");
  addSample(layout, { ref: hello, labels: { "org.flatpak.commit-metadata.ostree.endoflife-rebase": label } });
  addSample(layout, { ref: third });
  const prepare = (_: unknown, declined: ReadonlySet<string>) => prepareUpdate(store, [], { declined });
  const no = { replaces: () => false, confirms: () => undefined, trusts: () => false };
  await transact({ installation: store, prepare }, { questions: no });
  expect([...commits(store).keys()]).toEqual([hello, platform]);
  await transact({ installation: store, prepare });
  expect([...commits(store).keys()]).toEqual([third, platform]);
  const [, , , arch = "", branch = ""] = ["", ...third.split("/")];
  const ref = { kind: "app", id: "org.test.Third", arch, branch } as const;
  expect(activeDeployment(store, ref)?.previousIds).toEqual(["org.test.Hello"]);
});

test("the plan says what comes at most: layers that are here, or come twice, count once", async () => {
  using folder = new TestFolder();
  const { layout } = await publish(folder, "text");
  const store = folder.installation();
  await addRemote(store, "local", { url: `oci:${layout}` });
  const sizes: number[] = [];
  const report = (event: DowelEvent): void => {
    if (event.type === "transaction.plan") {
      sizes.push(event.operations.reduce((sum, { downloadSize = 0 }) => sum + downloadSize, 0));
    }
  };
  const prepare = (reinstall: boolean) => () => prepareInstall(store, ["org.test.Hello"], { reinstall });
  await transact({ installation: store, prepare: prepare(false) }, { report });
  await transact({ installation: store, prepare: prepare(true) }, { report });
  expect(sizes[0]).toBeGreaterThan(0);
  expect(sizes[1]).toBe(0);
});

test("a remote that a direct install makes goes again when nothing came from it", async () => {
  using folder = new TestFolder();
  const { layout } = await publish(folder, "text");
  const store = folder.installation();
  await install(store, [`oci:${layout}`, "org.test.Hello"]);
  expect(listRemotes(store).map(({ name }) => name)).toEqual(["hello-origin"]);
});

test("makeCurrent() exports another branch, and refuses what is not installed", async () => {
  using folder = new TestFolder();
  const layout = join(folder.path, "layout");
  const beta = appRef("Hello", "beta");
  for (const ref of [platform, hello, beta]) addSample(layout, { ref });
  const store = folder.installation();
  await addRemote(store, "local", { url: `oci:${layout}` });
  await install(store, [hello, beta]);
  await makeCurrent(store, "org.test.Hello", { branch: "stable", arch: undefined });
  expect(currentRef(store, "org.test.Hello")?.branch).toBe("stable");
  await expect(makeCurrent(store, "org.test.Hello", { branch: "x", arch: undefined })).rejects.toMatchObject({
    code: "NOT_INSTALLED",
  });
});
