// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { aliases, commands, takesNextWord } from "../../../src/cli/commands.ts";
import { candidatesFor } from "../../../src/cli/completion/candidates.ts";

const at = async (...words: string[]): Promise<string[]> =>
  await candidatesFor({ words: words.slice(0, -1), current: words.at(-1) ?? "" }, { commands, aliases, takesNextWord });

test("candidatesFor() names commands, those of two words by their first", async () => {
  expect(await at("rem")).toEqual([
    ...["remote-add ", "remote-delete ", "remote-info ", "remote-list ", "remote-ls ", "remote-modify ", "remotes "],
    "remove ",
  ]);
  expect(await at("prof")).toEqual(["profile "]);
  expect(await at("profile", "")).toEqual(["copy ", "export ", "import ", "list ", "remove "]);
  expect(await at("plumb")).toEqual([]);
});

test("candidatesFor() names the options of a command, with '=' where a value must follow", async () => {
  expect(await at("list", "--a")).toEqual(["--all ", "--app ", "--app-runtime=", "--arch="]);
  expect(await at("--v")).toEqual(["--version "]);
});

test("candidatesFor() takes options before the command", async () => {
  expect(await at("--user", "lis")).toEqual(["list "]);
  expect(await at("--user", "list", "--sh")).toEqual(["--show-details "]);
});

test("candidatesFor() names the values of an option, with and without '='", async () => {
  expect(await at("build", "--layout", "r")).toEqual(["rootfs "]);
  expect(await at("build", "--layout=r")).toEqual(["rootfs "]);
  expect(await at("run", "--socket=pu")).toEqual(["pulseaudio "]);
});

test("candidatesFor() goes on behind a comma in lists of columns", async () => {
  expect(await at("list", "--columns=name,ve")).toEqual(["name,version "]);
});

test("candidatesFor() asks for files and folders where they may stand", async () => {
  expect(await at("build", "man")).toEqual(["__FLATPAK_FILE"]);
  expect(await at("build", "--state-dir=")).toEqual(["__FLATPAK_DIR"]);
  expect(await at("create-usb", "")).toEqual(["__FLATPAK_DIR"]);
});

test("candidatesFor() leaves what follows an app's name to the app", async () => {
  expect(await at("run", "org.example.App", "--so")).toEqual(["__FLATPAK_FILE"]);
});

test("candidatesFor() has nothing where no argument is taken", async () => {
  expect(await at("list", "")).toEqual([]);
  expect(await at("list", "--unknown=")).toEqual([]);
});

test("every command that has --columns says which there are", async () => {
  for (const [name, { load }] of Object.entries(commands)) {
    const { flags, columns } = (await load()).default.source;
    expect(`${name} ${columns.length > 0}`).toBe(`${name} ${"columns" in flags}`);
  }
});
