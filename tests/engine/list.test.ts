// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { join } from "node:path";
import { findInstalled } from "../../src/engine/find.ts";
import { info } from "../../src/engine/info.ts";
import { listInstalled } from "../../src/engine/list.ts";
import { formatRef } from "../../src/metadata/ref.ts";
import { addRemote } from "../../src/remotes/config.ts";
import { TestFolder } from "../store/images.ts";
import { addSample, appRef, arch, install, platform } from "./fixtures.ts";

const hello = appRef("Hello");
const beta = appRef("Hello", "beta");
const appdata =
  "<component><name>Hello!</name><summary>Greets</summary><releases><release version='1.2'/></releases></component>";
const labels = {
  "org.freedesktop.appstream.appdata": appdata,
  "org.flatpak.parent-commit": "abc",
  "org.flatpak.timestamp": "1700000000",
};

/** An installation that has Hello in two branches, and their runtime. */
async function sample(folder: TestFolder) {
  const layout = join(folder.path, "layout");
  addSample(layout, { ref: platform });
  const commit = addSample(layout, { ref: hello, labels });
  addSample(layout, { ref: beta });
  const store = { ...folder.installation("store", "system"), name: "default" };
  await addRemote(store, "local", { url: `oci:${layout}` });
  await install(store, [beta, hello]);
  return { store, commit };
}

test("listInstalled() fills every column", async () => {
  using folder = new TestFolder();
  const { store, commit } = await sample(folder);
  const rows = listInstalled([store]);
  expect(rows.map(({ ref }) => ref)).toEqual([beta, hello, platform]);
  expect(rows[1]).toEqual({
    name: "Hello!",
    description: "Greets",
    application: "org.test.Hello",
    version: "1.2",
    branch: "stable",
    arch,
    runtime: `org.test.Platform/${arch}/1`,
    origin: "local",
    installation: "system",
    ref: hello,
    active: commit,
    latest: commit,
    size: expect.any(Number),
    options: ["system", "current"],
  });
  expect(rows[0]).toMatchObject({ name: "Hello", description: "", version: "", options: ["system"] });
  expect(rows[2]).toMatchObject({ runtime: "", options: ["system", "runtime"] });
});

test("listInstalled() filters by kind, architecture and runtime", async () => {
  using folder = new TestFolder();
  const { store } = await sample(folder);
  const refs = (filter: Parameters<typeof listInstalled>[1]) => listInstalled([store], filter).map(({ ref }) => ref);
  expect(refs({ kind: "app" })).toEqual([beta, hello]);
  expect(refs({ kind: "runtime" })).toEqual([platform]);
  expect(refs({ arch: "riscv64" })).toEqual([]);
  expect(refs({ runtime: "org.test.Platform" })).toEqual([beta, hello]);
  expect(refs({ runtime: `org.test.Platform/${arch}/2` })).toEqual([]);
});

test("listInstalled() of an installation that was never used is empty", () => {
  using folder = new TestFolder();
  const store = folder.installation();
  expect(listInstalled([{ ...store, path: join(folder.path, "none") }])).toEqual([]);
});

test("info() tells all that is known of the current branch, or of the one that is named", async () => {
  using folder = new TestFolder();
  const { store, commit } = await sample(folder);
  const known = info([store], "org.test.Hello");
  expect(known).toMatchObject({
    name: "Hello!",
    ref: hello,
    commit,
    parent: "abc",
    timestamp: 1_700_000_000,
    origin: "local",
    runtime: `org.test.Platform/${arch}/1`,
    sdk: `org.test.Platform/${arch}/1`,
    location: join(store.path, hello, commit),
    permissions: "[Context]\nshared=network;\n",
  });
  expect(known.metadata).toContain("command=hello");
  expect(info([store], "org.test.Hello//beta").ref).toBe(beta);
});

test("findInstalled() looks through the installations in their order, and suggests what is near", async () => {
  using folder = new TestFolder();
  const { store } = await sample(folder);
  const user = { ...folder.installation("user", "user"), name: "user" };
  const layout = join(folder.path, "own");
  addSample(layout, { ref: hello, files: { own: "x" } });
  await install(user, [`oci:${layout}`], { noDeps: true });
  expect(findInstalled([user, store], "org.test.Hello").installation.name).toBe("user");
  expect(findInstalled([user, store], "org.test.Hello//beta").installation.name).toBe("default");
  expect(formatRef(findInstalled([user, store], "org.test.Platform").deployment.ref)).toBe(platform);
  for (const [word, hint] of [
    ["hello", "Did you mean org.test.Hello?"],
    ["org.test.Hello//devel", `Did you mean ${hello} or ${beta}?`],
    ["com.other.Thing", undefined],
  ] as const) {
    expect(() => findInstalled([user, store], word)).toThrow(expect.objectContaining({ code: "NOT_INSTALLED", hint }));
  }
});
