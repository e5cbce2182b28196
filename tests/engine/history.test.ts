// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { join } from "node:path";
import { execute } from "../../src/engine/execute.ts";
import { history } from "../../src/engine/history.ts";
import { prepareInstall } from "../../src/engine/prepareinstall.ts";
import { prepareUninstall } from "../../src/engine/prepareuninstall.ts";
import { addRemote, deleteRemote, modifyRemote } from "../../src/remotes/config.ts";
import { journalFacts } from "../../src/store/journal.ts";
import { TestFolder } from "../store/images.ts";
import { addSample, appRef, install } from "./fixtures.ts";

const hello = appRef("Hello");

test("history() tells of remotes, pulls and deployments, in their order", async () => {
  using folder = new TestFolder();
  const store = folder.installation();
  const layout = join(folder.path, "layout");
  const commit = addSample(layout, { ref: hello });
  const url = `oci:${layout}`;
  await addRemote(store, "local", { url });
  await addRemote(store, "local", { url }, { ifNotExists: true });
  await modifyRemote(store, "local", { title: "Mine" });
  await install(store, ["local", hello], { noDeps: true });
  await execute(prepareUninstall(store, [hello], {}), store);
  await deleteRemote(store, "local");
  await expect(deleteRemote(store, "local")).rejects.toMatchObject({ code: "REMOTE_NOT_FOUND" });
  const rows = history([store]);
  expect(rows.map(({ change, application, remote }) => [change, application, remote])).toEqual([
    ["add remote", "", "local"],
    ["modify remote", "", "local"],
    ["pull oci", "org.test.Hello", "local"],
    ["deploy install", "org.test.Hello", "local"],
    ["uninstall", "org.test.Hello", "local"],
    ["remove remote", "", "local"],
  ]);
  expect(rows[2]).toMatchObject({ commit, "old-commit": "", url });
  expect(rows[5]).toMatchObject({ commit: "", ref: "", url });
});

test("journalFacts() takes a pull for no install", async () => {
  using folder = new TestFolder();
  const store = folder.installation();
  const layout = join(folder.path, "layout");
  addSample(layout, { ref: hello });
  await addRemote(store, "local", { url: `oci:${layout}` });
  await execute(await prepareInstall(store, [hello], { noDeps: true }), store, { noDeploy: true });
  expect(journalFacts(store).lastOf.size).toBe(0);
});
