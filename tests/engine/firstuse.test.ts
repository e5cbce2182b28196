// SPDX-License-Identifier: Apache-2.0
// Whom a direct install trusts, and who is asked for that.
import { expect, test } from "bun:test";
import { join } from "node:path";
import { prepareInstall } from "../../src/engine/prepareinstall.ts";
import { push } from "../../src/engine/push.ts";
import { type Questions, transact, type UndecidedPlace } from "../../src/engine/transact.ts";
import { serveRegistry } from "../../src/registry/server.ts";
import { rulingOf } from "../../src/remotes/trust/policyfile.ts";
import { listDeployments } from "../../src/store/deployments.ts";
import { TestFolder } from "../store/images.ts";
import { addSample, appRef } from "./fixtures.ts";

const app = appRef("Hello");

async function setUp(folder: TestFolder, kind: "user" | "system") {
  const registry = await serveRegistry({ folder: join(folder.path, "registry"), listen: "127.0.0.1:0" });
  const layout = join(folder.path, "layout");
  const commit = addSample(layout, { ref: app });
  const { host } = new URL(registry.address);
  await push(`oci:${layout}`, `docker://${host}/apps/hello:stable`);
  const store = folder.installation("store", kind);
  const url = `docker://${host}/apps/hello:stable`;
  const asked: UndecidedPlace[] = [];
  const install = (answer: boolean | undefined) => {
    const questions: Questions = {
      confirms: () => undefined,
      replaces: () => true,
      trusts: (place) => {
        asked.push(place);
        return answer === true;
      },
    };
    const prepare = () => prepareInstall(store, [url], { noDeps: true });
    return transact({ installation: store, prepare }, { questions: answer === undefined ? undefined : questions });
  };
  const isNamed = () => rulingOf(store, host, "apps/hello").named;
  return { store, url, commit, install, asked, isNamed, [Symbol.asyncDispose]: () => registry.stop() };
}

test("a direct install for all users trusts nobody without being told so", async () => {
  using folder = new TestFolder();
  await using place = await setUp(folder, "system");
  await expect(place.install(undefined)).rejects.toMatchObject({
    code: "POLICY_REFUSED",
    message: expect.stringContaining(place.url),
    hint: expect.stringContaining("--verify"),
  });
  await expect(place.install(false)).rejects.toMatchObject({ code: "ABORTED" });
  expect(place.isNamed()).toBe(false);
  expect(listDeployments(place.store)).toEqual([]);
  const question = { url: place.url, images: [`${app} sha256:${place.commit}`] };
  expect(place.asked).toEqual([question]);
  await place.install(true);
  expect(listDeployments(place.store)).toHaveLength(1);
  expect(place.asked).toEqual([question, question]);
  expect(place.isNamed()).toBe(true);
});

test("a direct install for oneself asks nobody", async () => {
  using folder = new TestFolder();
  await using place = await setUp(folder, "user");
  await place.install(undefined);
  expect(listDeployments(place.store)).toHaveLength(1);
  expect(place.asked).toEqual([]);
});
