// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { join } from "node:path";
import { execute } from "../../src/engine/execute.ts";
import { prepareInstall } from "../../src/engine/prepareinstall.ts";
import { prepareUpdate } from "../../src/engine/prepareupdate.ts";
import type { Plan } from "../../src/engine/types.ts";
import { addRemote } from "../../src/remotes/config.ts";
import type { RemoteRef } from "../../src/remotes/types.ts";
import { listDeployments } from "../../src/store/deployments.ts";
import { TestFolder } from "../store/images.ts";
import { addSample, appRef, install } from "./fixtures.ts";

const hello = appRef("Hello");
const builtAt = (seconds: number) => ({ "org.flatpak.timestamp": String(seconds) });

/** The plan as if the catalogue had said something else of its only image. */
function withImage(plan: Plan, changes: Partial<RemoteRef>): Plan {
  const operations = plan.operations.map((operation) =>
    operation.operation === "uninstall" ? operation : { ...operation, image: { ...operation.image, ...changes } },
  );
  return { ...plan, operations };
}

test("update does not go back to an older image, and says so", async () => {
  using folder = new TestFolder();
  const store = folder.installation();
  const layout = join(folder.path, "layout");
  const commit = addSample(layout, { ref: hello, labels: builtAt(2000) });
  await addRemote(store, "local", { url: `oci:${layout}` });
  await install(store, ["org.test.Hello"], { noDeps: true });
  addSample(layout, { ref: hello, labels: builtAt(1000) });
  const plan = await prepareUpdate(store, []);
  expect(plan.operations).toEqual([]);
  expect(plan.skipped.map(({ reason }) => reason)).toEqual(["the remote local has an older version"]);
  expect(listDeployments(store)[0]?.commit).toBe(commit);
  const newer = addSample(layout, { ref: hello, labels: builtAt(3000) });
  expect((await execute(await prepareUpdate(store, []), store)).updated[0]?.commit).toBe(newer);
});

test("execute() refuses an older image whose catalogue called it newer", async () => {
  using folder = new TestFolder();
  const store = folder.installation();
  const layout = join(folder.path, "layout");
  addSample(layout, { ref: hello, labels: builtAt(2000) });
  await addRemote(store, "local", { url: `oci:${layout}` });
  await install(store, ["org.test.Hello"], { noDeps: true });
  addSample(layout, { ref: hello, labels: builtAt(3000) });
  const plan = await prepareUpdate(store, []);
  const old = addSample(layout, { ref: hello, labels: builtAt(1000) });
  await expect(execute(withImage(plan, { commit: old }), store)).rejects.toMatchObject({
    code: "IMAGE_UNSUITABLE",
    message: expect.stringContaining("is older than the installed"),
  });
});

test("execute() refuses an image whose metadata is not what the catalogue showed (CVE-2021-43860)", async () => {
  using folder = new TestFolder();
  const store = folder.installation();
  const layout = join(folder.path, "layout");
  addSample(layout, { ref: hello });
  const plan = await prepareInstall(store, [`oci:${layout}`], { noDeps: true });
  const harmless = "[Application]\nname=org.test.Hello\n";
  await expect(execute(withImage(plan, { metadata: harmless }), store)).rejects.toMatchObject({
    code: "IMAGE_UNSUITABLE",
    message: expect.stringContaining("other metadata"),
  });
  expect(listDeployments(store)).toEqual([]);
});

test("install with orUpdate stays with the remote that the app came from", async () => {
  using folder = new TestFolder();
  const store = folder.installation();
  const [own, better] = ["own", "better"].map((name) => join(folder.path, name)) as [string, string];
  addSample(own, { ref: hello });
  await addRemote(store, "own", { url: `oci:${own}` });
  await install(store, ["org.test.Hello"], { noDeps: true });
  addSample(better, { ref: hello, files: { other: "supplier" } });
  await addRemote(store, "better", { url: `oci:${better}`, priority: 9 });
  const options = { noDeps: true, orUpdate: true };
  expect((await install(store, ["org.test.Hello"], options)).updated).toEqual([]);
  await expect(install(store, ["better", "org.test.Hello"], options)).rejects.toMatchObject({
    code: "ALREADY_INSTALLED",
    message: expect.stringContaining("is installed from own, not from better"),
  });
  const { installed } = await install(store, ["better", "org.test.Hello"], { noDeps: true, reinstall: true });
  expect(installed[0]?.origin).toBe("better");
});
