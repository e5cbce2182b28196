// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { addRemote, deleteRemote, listRemotes } from "../../src/remotes/config.ts";
import { createInstallation } from "../../src/store/installation.ts";

let folder: string;
const before = { data: process.env["DOWEL_DATA_DIR"], config: process.env["DOWEL_CONFIG_DIR"] };

function put(place: "data" | "config", name: string, text: string): void {
  mkdirSync(join(folder, place, "remotes.d"), { recursive: true });
  writeFileSync(join(folder, place, "remotes.d", name), text);
}

const repo = (url: string, more = ""): string => `[Flatpak Repo]\nUrl=${url}\n${more}`;
const system = (name = "default") =>
  createInstallation({ name, kind: "system", path: join(folder, "store"), priority: 0 });
const names = (name?: string): readonly string[] => listRemotes(system(name)).map((remote) => remote.name);

function restore(variable: string, value: string | undefined): void {
  if (value === undefined) delete process.env[variable];
  else process.env[variable] = value;
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "dowel-predefined-"));
  process.env["DOWEL_DATA_DIR"] = join(folder, "data");
  process.env["DOWEL_CONFIG_DIR"] = join(folder, "config");
});

afterEach(() => {
  rmSync(folder, { recursive: true });
  restore("DOWEL_DATA_DIR", before.data);
  restore("DOWEL_CONFIG_DIR", before.config);
});

test("listRemotes() has the remotes of remotes.d, the administrator's before the distribution's", () => {
  put("data", "distro.flatpakrepo", repo("oci+https://distro.example/apps", "Title=Distro\n"));
  put("data", "both.flatpakrepo", repo("oci+https://distro.example/both"));
  put("config", "both.flatpakrepo", repo("oci+https://admin.example/both"));
  put("data", "notes.txt", "not one");
  const remotes = listRemotes(system());
  expect(remotes.map(({ name, url, title }) => ({ name, url, title }))).toEqual([
    { name: "both", url: "oci+https://admin.example/both", title: undefined },
    { name: "distro", url: "oci+https://distro.example/apps", title: "Distro" },
  ]);
  expect(names("extra")).toEqual([]);
});

test("listRemotes() passes over files that are damaged, badly named or for OSTree", () => {
  put("data", "damaged.flatpakrepo", "[Flatpak Repo\n");
  put("data", "-bad name.flatpakrepo", repo("oci+https://h/a"));
  put("data", "flathub.flatpakrepo", repo("https://dl.example/repo/"));
  put("data", "good.flatpakrepo", repo("oci+https://h/good"));
  expect(names()).toEqual(["good"]);
});

test("deleteRemote() keeps a predefined remote away for good", async () => {
  put("data", "distro.flatpakrepo", repo("oci+https://distro.example/apps"));
  await deleteRemote(system(), "distro");
  expect(names()).toEqual([]);
  expect(readFileSync(join(folder, "store/remotes.conf"), "utf8")).toContain("xa.applied-remotes=distro;");
  put("data", "later.flatpakrepo", repo("oci+https://later.example/apps"));
  expect(names()).toEqual(["later"]);
});

test("addRemote() refuses the name of a predefined remote, which keeps its settings", async () => {
  put("data", "distro.flatpakrepo", repo("oci+https://distro.example/apps"));
  await expect(addRemote(system(), "distro", { url: "oci:/x" })).rejects.toMatchObject({ code: "REMOTE_EXISTS" });
  await addRemote(system(), "mine", { url: "oci:/x" });
  put("data", "distro.flatpakrepo", repo("oci+https://other.example/apps"));
  expect(listRemotes(system()).find(({ name }) => name === "distro")?.url).toBe("oci+https://distro.example/apps");
});
