// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isSound, repair } from "../../src/engine/repair.ts";
import { parseRef } from "../../src/metadata/ref.ts";
import { addRemote } from "../../src/remotes/config.ts";
import { activeDeployment } from "../../src/store/deployments.ts";
import { TestFolder } from "../store/images.ts";
import { addSample, appRef, install, platform, recorder } from "./fixtures.ts";

const hello = appRef("Hello");

async function place(folder: TestFolder) {
  const store = folder.installation();
  const layout = join(folder.path, "layout");
  addSample(layout, { ref: platform });
  addSample(layout, { ref: hello });
  await addRemote(store, "local", { url: `oci:${layout}` });
  await install(store, [hello]);
  return { store, layout, commit: () => activeDeployment(store, parseRef(hello))?.commit };
}

test("repair() with reinstallAll mends, and then installs everything in the version of its remote", async () => {
  using folder = new TestFolder();
  const { store, layout, commit } = await place(folder);
  const before = commit();
  const { events, report } = recorder();
  const newer = addSample(layout, { ref: hello, files: { more: "text" } });
  rmSync(join(store.path, formatActive(store.path), "deploy.json"));
  const found = await repair(store, { dryRun: false, reinstallAll: true, report });
  expect(isSound(found)).toBe(true);
  const done = events.flatMap((event) => (event.type === "operation.done" ? [event.ref] : []));
  expect(done).toEqual([platform, hello]);
  expect([before === newer, commit()]).toEqual([false, newer]);
  expect(await repair(store, { dryRun: true, reinstallAll: true })).toEqual([]);
});

function formatActive(path: string): string {
  const deployment = activeDeployment({ path }, parseRef(hello));
  if (deployment === undefined) throw new Error("it is installed");
  return deployment.path.slice(path.length + 1);
}

test("repair() with reinstallAll leaves what its remote no longer has, and says so", async () => {
  using folder = new TestFolder();
  const { store, layout, commit } = await place(folder);
  const before = commit();
  writeFileSync(join(layout, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [] }));
  const failure = repair(store, { dryRun: false, reinstallAll: true });
  await expect(failure).rejects.toMatchObject({ code: "TRANSACTION_FAILED" });
  expect(commit()).toBe(before);
});
