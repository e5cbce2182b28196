// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { appRef, makeLayout, Sandpit, startRegistry } from "./support.ts";

const pit = new Sandpit();
let registry: Awaited<ReturnType<typeof startRegistry>>;
let layout = "";

beforeAll(async () => {
  registry = await startRegistry(pit, pit.path("registry"));
  layout = makeLayout(pit.path("images"));
  pit.succeed(["push", "--catalogue", `oci:${layout}`, `oci+http://${registry.address}/apps`]);
});

afterAll(async () => {
  await registry.stop();
  pit[Symbol.dispose]();
});

test("a remote of a .flatpakrepo file is added, changed, searched, asked and shown", () => {
  const file = pit.path("shop.flatpakrepo");
  writeFileSync(file, `[Flatpak Repo]\nTitle=Shop\nUrl=oci+http://${registry.address}/apps\n`);
  pit.succeed(["remote-add", "--user", "--prio=3", "--subset=none", "shop", file]);
  expect(pit.succeed(["remote-ls", "--user", "shop"])).toBe("");
  const keep = ["--no-follow-redirect", "--update-metadata"];
  pit.succeed(["remote-modify", "--user", "--subset=", ...keep, "--title=The shop", "--disable", "shop"]);
  expect(pit.succeed(["remotes", "--user"])).toBe("");
  const shown = pit.succeed(["remotes", "--user", "--show-disabled", "--columns=name,title,priority,options"]);
  expect(shown).toBe("shop\tThe shop\t3\tuser,disabled,oci,no-gpg-verify\n");
  pit.succeed(["remote-modify", "--user", "--enable", "shop"]);
  const [found] = JSON.parse(pit.succeed(["search", "--user", "--json", "probe"]));
  expect(found).toMatchObject({ application_id: "org.example.Probe", branch: "stable", remotes: "shop" });
  expect(pit.dowel(["search", "--user", "nothing-like-it"])).toEqual({
    status: 0,
    stdout: "",
    stderr: "No matches found\n",
  });
  expect(pit.succeed(["remote-info", "--user", "--show-ref", "shop", "org.example.Probe"])).toBe(`${appRef}\n`);
  const info = JSON.parse(pit.succeed(["remote-info", "--user", "--json", "--log", "shop", "org.example.Probe"]));
  expect(info).toMatchObject({ ref: appRef, remote: "shop", log: [{ commit: info.commit }] });
  pit.succeed(["update", "--user", "--appstream", "shop"]);
});

test("login and logout say what they did, and errors say nothing of the password", () => {
  const file = pit.path("auth.json");
  const login = (words: readonly string[]) =>
    pit.dowel(["login", "--authfile", file, "-u", "me", "-p", "hunter-two", ...words]);
  expect(login([registry.address]).stdout).toBe(`Logged in to ${registry.address}; kept in ${file}\n`);
  expect(pit.succeed(["logout", "--authfile", file, registry.address])).toBe(`Logged out of ${registry.address}\n`);
  const again = pit.dowel(["logout", "--authfile", file, registry.address]);
  expect([again.status, again.stderr]).toEqual([1, expect.stringContaining("[CREDENTIALS_NOT_FOUND]")]);
  const refused = login(["not a registry"]);
  expect(refused.stderr).toContain("[USAGE]");
  expect(refused.stderr).not.toContain("hunter-two");
});

test.each([
  [["remote-add", "--prio=high", "x", "oci:/x"], "--prio"],
  [["remote-add", "--authenticator-option=x", "x", "oci:/x"], "--authenticator-option"],
  [["remote-info", "none", "org.example.App"], "none"],
  [["remote-modify", "--user", "none"], "none"],
])("%j is refused with what is wrong", (words, named) => {
  const { status, stderr } = pit.dowel(words);
  expect(status).toBe(1);
  expect(stderr).toContain(named);
  expect(stderr).not.toContain("    at ");
});
