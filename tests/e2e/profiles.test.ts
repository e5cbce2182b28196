// SPDX-License-Identifier: Apache-2.0
// Profiles of an app: data, instances and overrides of their own, copied, carried away and brought back.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { makeLayout, ordinaryUser, Sandpit } from "./support.ts";

const id = "org.example.Probe";

for (const [who, uid] of [
  ["root", 0],
  ["an ordinary user", ordinaryUser],
] as const) {
  describe(`profiles for ${who}`, () => {
    const pit = new Sandpit(uid);
    const apps = pit.path("home/.var/app");
    const archive = pit.path("work/profile.tar.zst");

    beforeAll(() => {
      const layout = makeLayout(pit.path("images"));
      for (const name of ["images", "home"]) pit.own(pit.path(name));
      pit.succeed(["install", "--user", "-y", `oci:${layout}`, id]);
    });
    afterAll(() => pit[Symbol.dispose]());

    function read(options: readonly string[], path: string): Record<string, unknown> {
      return JSON.parse(pit.succeed(["run", ...options, id, "files", path]));
    }

    function keep(name: string, path: string, text: string): void {
      const file = `${apps}/${name}/${path}`;
      mkdirSync(file.slice(0, file.lastIndexOf("/")), { recursive: true });
      writeFileSync(file, text);
      pit.own(`${apps}/${name}`);
    }

    test("a profile has its own data, /tmp and overrides, and no other's, cold and warm", () => {
      pit.succeed(["run", id, "exit", "0"]);
      pit.succeed(["run", "--profile=work", id, "exit", "0"]);
      keep(id, "data/letter", "private");
      keep(`${id}@work`, "data/letter", "for work");
      for (let round = 0; round < 2; round += 1) {
        expect(read([], "/var/data/letter")).toMatchObject({ content: "private" });
        expect(read(["--profile=work"], "/var/data/letter")).toMatchObject({ content: "for work" });
        expect(read(["--profile", "work"], `${apps}/${id}/data/letter`)).toMatchObject({ content: "for work" });
        expect(read(["--profile=default"], "/var/data/letter")).toMatchObject({ content: "private" });
      }
      expect(read([], `${apps}/${id}@work`)).toMatchObject({ stat: "ENOENT" });
      writeFileSync(pit.path("run/dowel/apps", `${id}@work`, "tmp/mark"), "");
      expect(read([], "/tmp/mark")).toMatchObject({ stat: "ENOENT" });
      expect(read(["--profile=work"], "/tmp/mark")).toMatchObject({ stat: "OK" });
      expect(pit.succeed(["plumbing", "spec", "--profile=work", id])).toContain("profile=work\\n");
      pit.succeed(["override", "--user", "--profile=work", "--env=MARK=work", id]);
      const variables = (...options: string[]) => JSON.parse(pit.succeed(["run", ...options, id, "env"])).variables;
      expect(variables("--profile=work")).toMatchObject({ MARK: "work", XDG_DATA_HOME: `${apps}/${id}@work/data` });
      expect(variables().MARK).toBeUndefined();
    });

    test("profile list and data show them", () => {
      const rows = JSON.parse(pit.succeed(["profile", "list", "--json", "--columns=all", id]));
      expect(rows).toMatchObject([
        { application: id, profile: "default", running: false, overrides: false, path: `${apps}/${id}` },
        { application: id, profile: "work", running: false, overrides: true },
      ]);
      keep(`${id}@work`, "cache/big", "x".repeat(100_000));
      const [first, second] = JSON.parse(pit.succeed(["data", "--json", id]));
      expect(first).toMatchObject({ application: id, profile: "default" });
      expect(second.cache).toBeGreaterThanOrEqual(100_000);
      expect(second.total).toBe(second.cache + second.config + second.data + second.other);
      expect(pit.succeed(["data"])).toContain("work");
    });

    test("a copy has data, links, modes and overrides, and no cache is left out", () => {
      keep(`${id}@work`, "config/deep/settings", "settings");
      symlinkSync("deep/settings", `${apps}/${id}@work/config/link`);
      execFileSync("chmod", ["0400", `${apps}/${id}@work/config/deep/settings`]);
      execFileSync("chmod", ["0500", `${apps}/${id}@work/config/deep`]);
      pit.succeed(["profile", "copy", id, "work", "spare"]);
      expect(readFileSync(`${apps}/${id}@spare/config/link`, "utf8")).toBe("settings");
      expect(statSync(`${apps}/${id}@spare/config/deep`).mode & 0o7777).toBe(0o500);
      expect(statSync(`${apps}/${id}@spare/cache/big`).uid).toBe(uid);
      expect(pit.succeed(["override", "--user", "--show", "--profile=spare", id])).toContain("MARK=work");
      expect(pit.dowel(["profile", "copy", id, "work", "spare"]).stderr).toContain("DATA_EXISTS");
      expect(pit.dowel(["profile", "copy", id, "nowhere", "other"]).stderr).toContain("default, spare, work");
    });

    test("what is exported comes back under another name, permissions only where that is asked for", () => {
      const { size } = JSON.parse(pit.succeed(["profile", "export", "--json", id, "work", archive]));
      expect(size).toBe(statSync(archive).size);
      expect(statSync(archive).mode & 0o777).toBe(0o600);
      expect(pit.succeed(["profile", "import", id, "back", archive])).toContain("MARK=work");
      expect(readFileSync(`${apps}/${id}@back/config/link`, "utf8")).toBe("settings");
      expect(existsSync(`${apps}/${id}@back/cache/big`)).toBe(false);
      expect(pit.succeed(["override", "--user", "--show", "--profile=back", id])).toBe("");
      pit.succeed(["profile", "import", "--with-overrides", id, "again", archive]);
      expect(pit.succeed(["override", "--user", "--show", "--profile=again", id])).toContain("MARK=work");
    });

    test("a backup replaces what is there, after a question", () => {
      pit.succeed(["data", "backup", id, archive]);
      keep(id, "data/letter", "changed");
      keep(id, "data/later", "later");
      expect(pit.dowel(["data", "restore", id, archive])).toMatchObject({
        status: 1,
        stderr: expect.stringContaining("-y"),
      });
      pit.succeed(["data", "restore", "-y", id, archive]);
      expect(readFileSync(`${apps}/${id}/data/letter`, "utf8")).toBe("private");
      expect(existsSync(`${apps}/${id}/data/later`)).toBe(false);
      expect(readdirSync(apps).filter((name) => name.startsWith("."))).toEqual([]);
      expect(pit.dowel(["run", id, "exit", "0"]).status).toBe(0);
    });

    test("nothing is touched while the app runs with it", async () => {
      const { child, outcome } = pit.start(["run", "--profile=work", id, "wait"]);
      await new Promise<void>((ready) => child.stdout.once("data", () => ready()));
      for (const words of [
        ["profile", "remove", "-y", id, "work"],
        ["profile", "copy", id, "work", "new"],
        ["data", "restore", "-y", "--profile=work", id, archive],
        ["profile", "export", id, "work", pit.path("work/other")],
      ]) {
        expect(pit.dowel(words).stderr).toContain("APP_RUNNING");
      }
      const [, ...rows] = JSON.parse(pit.succeed(["profile", "list", "--json", id]));
      expect(rows).toContainEqual(expect.objectContaining({ profile: "work", running: true }));
      child.kill("SIGTERM");
      await outcome;
      expect(existsSync(pit.path("work/other"))).toBe(false);
    });

    test("profile remove takes data and overrides of one profile; uninstall --delete-data takes all", () => {
      expect(pit.dowel(["profile", "remove", "-y", id, "default"]).stderr).toContain("--delete-data");
      pit.succeed(["profile", "remove", "-y", id, "work"]);
      expect(existsSync(`${apps}/${id}@work`)).toBe(false);
      expect(pit.succeed(["override", "--user", "--show", "--profile=work", id])).toBe("");
      expect(pit.dowel(["run", "--profile=../x", id]).stderr).toContain("USAGE");
      expect(pit.dowel(["profile", "remove", "-y", id, "work"]).stderr).toContain("DATA_NOT_FOUND");
      pit.succeed(["uninstall", "--user", "-y", "--delete-data", id]);
      expect(readdirSync(apps)).toEqual([]);
      rmSync(archive);
    });
  });
}
