// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { addRemote, deleteRemote, getRemote, listRemotes, modifyRemote } from "../../src/remotes/config.ts";
import { addSample, appRef, install } from "../engine/fixtures.ts";
import { TestFolder } from "../store/images.ts";

const url = "oci+https://registry.example/ns";

test("addRemote() writes the keyfile that Flatpak knows", async () => {
  using folder = new TestFolder();
  const store = folder.installation();
  await addRemote(store, "demo", { url, title: "A  demo", description: "two\nlines", priority: 3, noEnumerate: true });
  const text = readFileSync(join(store.path, "remotes.conf"), "utf8");
  expect(text.split("\n")).toEqual(
    expect.arrayContaining(['[remote "demo"]', `url=${url}`, "xa.title=A  demo", "xa.prio=3"]),
  );
  expect(getRemote(store, "demo")).toEqual({
    name: "demo",
    url,
    title: "A  demo",
    description: "two\nlines",
    priority: 3,
    disabled: false,
    noEnumerate: true,
    noDeps: false,
    gpgVerify: false,
  });
});

test("addRemote() refuses a name that is taken, unless told to leave it", async () => {
  using folder = new TestFolder();
  const store = folder.installation();
  expect(await addRemote(store, "demo", { url })).toBe(true);
  await expect(addRemote(store, "demo", { url: "oci:/x" })).rejects.toMatchObject({ code: "REMOTE_EXISTS" });
  expect(await addRemote(store, "demo", { url: "oci:/x" }, { ifNotExists: true })).toBe(false);
  expect(getRemote(store, "demo").url).toBe(url);
});

test.each(["", ".hidden", "-x", "a/b", 'a"]', "a b", "a\nb"])("addRemote() refuses the name %p", async (name) => {
  using folder = new TestFolder();
  await expect(addRemote(folder.installation(), name, { url })).rejects.toMatchObject({ code: "USAGE" });
});

test("addRemote() refuses an OSTree repository, and what is no location", async () => {
  using folder = new TestFolder();
  const store = folder.installation();
  await expect(addRemote(store, "a", { url: "https://dl.example/repo/" })).rejects.toMatchObject({
    code: "UNSUPPORTED",
  });
  await expect(addRemote(store, "a", { url: "nonsense" })).rejects.toMatchObject({ code: "IMAGE_REFERENCE_INVALID" });
  expect(listRemotes(store)).toEqual([]);
});

test("addRemote() makes the path of a layout absolute", async () => {
  using folder = new TestFolder();
  const store = folder.installation();
  await addRemote(store, "local", { url: "oci:some/where" });
  expect(getRemote(store, "local").url).toBe(`oci:${resolve("some/where")}`);
});

test("modifyRemote() changes what is named and keeps the rest, comments and unknown keys too", async () => {
  using folder = new TestFolder();
  const store = folder.installation();
  const path = join(store.path, "remotes.conf");
  writeFileSync(path, `# mine\n[remote "demo"]\nurl=${url}\nxa.title=Old\nxa.unknown=1\n`);
  await modifyRemote(store, "demo", { title: "", disabled: true });
  expect(readFileSync(path, "utf8")).toBe(`# mine\n[remote "demo"]\nurl=${url}\nxa.unknown=1\nxa.disable=true\n`);
  await expect(modifyRemote(store, "demos", { title: "x" })).rejects.toMatchObject({
    code: "REMOTE_NOT_FOUND",
    hint: "Did you mean demo?",
  });
});

test("listRemotes() puts the highest priority first", async () => {
  using folder = new TestFolder();
  const store = folder.installation();
  for (const [name, priority] of [
    ["b", 1],
    ["a", 1],
    ["c", 5],
  ] as const)
    await addRemote(store, name, { url, priority });
  expect(listRemotes(store).map(({ name }) => name)).toEqual(["c", "a", "b"]);
});

test("listRemotes() names file and line when the configuration is damaged", () => {
  using folder = new TestFolder();
  const store = folder.installation();
  writeFileSync(join(store.path, "remotes.conf"), '[remote "a"]\nurl=x\nxa.prio=high\n');
  expect(() => listRemotes(store)).toThrow(
    expect.objectContaining({ code: "KEYFILE_SYNTAX", message: expect.stringContaining("line 3") }),
  );
});

test("addRemote() loses nothing when many are added at once", async () => {
  using folder = new TestFolder();
  const store = folder.installation();
  await Promise.all(Array.from({ length: 20 }, (_, at) => addRemote(store, `r${at}`, { url })));
  expect(listRemotes(store)).toHaveLength(20);
});

test("deleteRemote() refuses while refs came from it, unless forced", async () => {
  using folder = new TestFolder();
  const store = folder.installation();
  const layout = join(folder.path, "layout");
  addSample(layout, { ref: appRef("Hello") });
  await addRemote(store, "local", { url: `oci:${layout}` });
  await install(store, ["local", "org.test.Hello"], { noDeps: true });
  await expect(deleteRemote(store, "local")).rejects.toMatchObject({
    code: "REMOTE_USED",
    message: expect.stringContaining(appRef("Hello")),
  });
  await deleteRemote(store, "local", { force: true });
  expect(listRemotes(store)).toEqual([]);
  await expect(deleteRemote(store, "local")).rejects.toMatchObject({ code: "REMOTE_NOT_FOUND" });
});

test("addRemote() and modifyRemote() refuse a filter that cannot be read, and name it", async () => {
  using folder = new TestFolder();
  const store = folder.installation();
  const [missing, broken] = [join(folder.path, "missing"), join(folder.path, "broken")];
  writeFileSync(broken, "allow\n");
  for (const [filter, message] of [
    [missing, missing],
    [broken, `${broken}:1: expected`],
  ] as const) {
    await expect(addRemote(store, "demo", { url, filter })).rejects.toThrow(message);
  }
  expect(listRemotes(store)).toEqual([]);
  await addRemote(store, "demo", { url });
  await expect(modifyRemote(store, "demo", { filter: missing, title: "T" })).rejects.toThrow(missing);
  expect(getRemote(store, "demo").title).toBeUndefined();
});

test("modifyRemote() sets and takes away what Flatpak keeps of a remote", async () => {
  using folder = new TestFolder();
  const store = folder.installation();
  await addRemote(store, "demo", { url });
  const filter = join(folder.path, "filter");
  writeFileSync(filter, "deny *\n");
  await modifyRemote(store, "demo", {
    collectionId: "org.example.Stable",
    subset: "verified",
    signatureLookaside: "https://h/sigs",
    authenticatorName: "org.example.Auth",
    authenticatorInstall: false,
    authenticatorOptions: new Map([["user", "u"]]),
    filter: relative(process.cwd(), filter),
  });
  expect(getRemote(store, "demo")).toMatchObject({
    collectionId: "org.example.Stable",
    subset: "verified",
    authenticatorInstall: false,
    authenticatorOptions: new Map([["user", "u"]]),
    filter,
  });
  const text = readFileSync(join(store.path, "remotes.conf"), "utf8");
  for (const line of ["collection-id=org.example.Stable", "xa.subset=verified", "xa.authenticator-options.user=u"]) {
    expect(text.split("\n")).toContain(line);
  }
  await modifyRemote(store, "demo", { subset: "", authenticatorOptions: new Map([["user", ""]]) });
  const remote = getRemote(store, "demo");
  expect([remote.subset, remote.authenticatorOptions]).toEqual([undefined, undefined]);
  await expect(modifyRemote(store, "demo", { authenticatorOptions: new Map([["a b", "c"]]) })).rejects.toMatchObject({
    code: "USAGE",
  });
});
