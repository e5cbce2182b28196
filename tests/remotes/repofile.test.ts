// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { addRemote, getRemote } from "../../src/remotes/config.ts";
import { loadRepoFile, parseRepoFile } from "../../src/remotes/repofile.ts";
import { TestFolder } from "../store/images.ts";

const text = `[Flatpak Repo]
Title=Example
Url=oci+https://registry.example/ns
Homepage=https://example/
DefaultBranch=stable
NoDeps=true
`;

test("loadRepoFile() reads a file, whose settings addRemote() takes", async () => {
  using folder = new TestFolder();
  const store = folder.installation();
  const path = join(folder.path, "example.flatpakrepo");
  writeFileSync(path, text);
  const settings = await loadRepoFile(path);
  await addRemote(store, "example", settings);
  expect(getRemote(store, "example")).toMatchObject({
    url: "oci+https://registry.example/ns",
    title: "Example",
    homepage: "https://example/",
    defaultBranch: "stable",
    noDeps: true,
    gpgVerify: false,
  });
});

test("loadRepoFile() fetches an address", async () => {
  using server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response(text) });
  expect(await loadRepoFile(`http://127.0.0.1:${server.port}/x.flatpakrepo`)).toMatchObject({ title: "Example" });
});

test("parseRepoFile() asks for signatures when the file has a key", () => {
  expect(parseRepoFile(Buffer.from(`${text}GPGKey=AAAA\n`), "x").gpgVerify).toBe(true);
});

test.each([
  ["", "the group [Flatpak Repo] is missing"],
  ["[Flatpak Repo]\nTitle=x\n", "Url of [Flatpak Repo] is missing"],
  ["[Flatpak Repo]\nVersion=2\nUrl=x\n", "Version of [Flatpak Repo] must be 1"],
])("parseRepoFile() refuses %p", (content, message) => {
  expect(() => parseRepoFile(Buffer.from(content), "x.flatpakrepo")).toThrow(
    expect.objectContaining({ code: "SCHEMA", message: `x.flatpakrepo: ${message}` }),
  );
});

test("loadRepoFile() names the path when there is no file", async () => {
  await expect(loadRepoFile("/nonexistent.flatpakrepo")).rejects.toMatchObject({
    code: "IO",
    message: expect.stringContaining("/nonexistent.flatpakrepo"),
  });
});
