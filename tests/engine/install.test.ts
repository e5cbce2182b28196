// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { formatRef } from "../../src/metadata/ref.ts";
import { listRemotes } from "../../src/remotes/config.ts";
import { listDeployments } from "../../src/store/deployments.ts";
import { TestFolder } from "../store/images.ts";
import { addSample, appRef, install, platform } from "./fixtures.ts";

const hello = appRef("Hello");

test("prepareInstall() with execute() installs an app and its runtime when both are in a layout", async () => {
  using folder = new TestFolder();
  const store = folder.installation();
  const layout = join(folder.path, "layout");
  addSample(layout, { ref: platform });
  const commit = addSample(layout, { ref: hello });
  const { installed } = await install(store, [`oci:${layout}`, "org.test.Hello"]);
  expect(installed.map(({ ref }) => formatRef(ref))).toEqual([platform, hello]);
  const deployment = listDeployments(store).find(({ ref }) => ref.kind === "app");
  expect(deployment).toMatchObject({ commit, origin: "hello-origin", source: `oci:${layout}` });
  expect(readFileSync(join(deployment?.path ?? "", "files/share/readme"), "utf8")).toContain(hello);
  expect(listRemotes(store).map(({ name, url }) => [name, url])).toContainEqual(["hello-origin", `oci:${layout}`]);
});
