// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { join } from "node:path";
import { execute } from "../../src/engine/execute.ts";
import { prepareInstall } from "../../src/engine/prepareinstall.ts";
import { prepareUninstall } from "../../src/engine/prepareuninstall.ts";
import { formatRef } from "../../src/metadata/ref.ts";
import { addRemote } from "../../src/remotes/config.ts";
import { listDeployments } from "../../src/store/deployments.ts";
import { changeSetting } from "../../src/store/settings.ts";
import { TestFolder } from "../store/images.ts";
import { addSample, appRef, install, platform } from "./fixtures.ts";

/** Two transactions of one installation: the first is carried out between the plan of the second and its execution. */

const hello = appRef("Hello");

/** An installation that has only the runtime, unpinned. */
async function withRuntime(folder: TestFolder) {
  const layout = join(folder.path, "layout");
  for (const ref of [platform, hello]) addSample(layout, { ref });
  const store = folder.installation();
  await addRemote(store, "local", { url: `oci:${layout}` });
  await install(store, ["org.test.Platform"]);
  await changeSetting(store, "pinned", () => undefined);
  const refs = (): string[] => listDeployments(store).map(({ ref }) => formatRef(ref));
  return { store, refs };
}

test("execute() keeps a runtime that an app has come to run on since it was planned to go", async () => {
  using folder = new TestFolder();
  const { store, refs } = await withRuntime(folder);
  const unused = prepareUninstall(store, [], { unused: true });
  expect(unused.operations.map(({ ref }) => formatRef(ref))).toEqual([platform]);
  const forced = prepareUninstall(store, ["org.test.Platform"], { forceRemove: true });
  await install(store, ["org.test.Hello"]);
  await expect(execute(unused, store)).rejects.toMatchObject({
    code: "RUNTIME_USED",
    message: expect.stringContaining(hello),
  });
  expect(refs()).toEqual([hello, platform]);
  await execute(forced, store);
  expect(refs()).toEqual([hello]);
});

test("execute() deploys no app whose runtime has gone since that was planned", async () => {
  using folder = new TestFolder();
  const { store, refs } = await withRuntime(folder);
  const plan = await prepareInstall(store, ["org.test.Hello"]);
  const alone = await prepareInstall(store, ["org.test.Hello"], { noDeps: true });
  await execute(prepareUninstall(store, [], { unused: true }), store);
  await expect(execute(plan, store)).rejects.toMatchObject({
    code: "RUNTIME_NOT_FOUND",
    message: expect.stringContaining("has been removed meanwhile"),
    hint: "Run the same command again.",
  });
  expect(refs()).toEqual([]);
  await execute(alone, store);
  expect(refs()).toEqual([hello]);
});
