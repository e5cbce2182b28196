// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { makeLayout, ordinaryUser, Sandpit, startRegistry } from "./support.ts";

const id = "org.example.Probe";

for (const [who, uid] of [
  ["root", 0],
  ["an ordinary user", ordinaryUser],
] as const) {
  describe(`as ${who}`, () => {
    const pit = new Sandpit(uid);
    const host = new Sandpit();
    let registry: Awaited<ReturnType<typeof startRegistry>>;
    let namespace = "";

    beforeAll(async () => {
      registry = await startRegistry(host, host.path("registry"));
      namespace = `oci+http://${registry.address}/apps`;
      const layout = makeLayout(host.path("images"));
      host.succeed(["push", `oci:${layout}`, namespace]);
    });
    afterAll(async () => {
      await registry.stop();
      pit[Symbol.dispose]();
      host[Symbol.dispose]();
    });

    test("a remote is added once, listed and used", () => {
      pit.succeed(["remote-add", "--user", "apps", namespace, "--title=Some apps"]);
      expect(pit.dowel(["remote-add", "--user", "apps", namespace]).stderr).toContain("apps");
      pit.succeed(["remote-add", "--user", "--if-not-exists", "apps", namespace]);
      expect(JSON.parse(pit.succeed(["remotes", "--json"]))).toEqual([
        expect.objectContaining({ name: "apps", url: namespace, title: "Some apps" }),
      ]);
      const offered = JSON.parse(pit.succeed(["remote-ls", "apps", "--json"])) as { application_id: string }[];
      expect(offered.map((row) => row.application_id).sort()).toEqual(["org.example.Platform", id]);
    });

    test("install brings the app and its runtime, and says so the second time", () => {
      pit.succeed(["install", "--user", "-y", "apps", id]);
      const rows = JSON.parse(pit.succeed(["list", "--json", "--columns=all"])) as Record<string, string>[];
      expect(rows.map((row) => row["application_id"]).sort()).toEqual(["org.example.Platform", id]);
      expect(pit.dowel(["install", "--user", "-y", "apps", id]).stderr).toContain("already");
      expect(pit.succeed(["list", "--app", "--columns=application,branch,origin"])).toBe(`${id}\tstable\tapps\n`);
    });

    test("equal content is stored once, and exports lead to it", () => {
      const installation = pit.path("home/.local/share/dowel");
      expect(readlinkSync(`${installation}/app/${id}/current`)).toMatch(/\/stable$/);
      const desktop = readFileSync(`${installation}/exports/share/applications/${id}.desktop`, "utf8");
      expect(desktop).toContain(`--command=probe`);
      expect(desktop).toContain("@@u %U @@");
      expect(statSync(`${installation}/exports/bin/${id}`).mode & 0o111).toBe(0o111);
      const objects = readdirSync(`${installation}/objects`, { recursive: true }).filter((name) =>
        String(name).includes("/"),
      );
      expect(objects.length).toBeLessThan(8);
      expect(readdirSync(`${installation}/tmp`)).toEqual([]);
    });

    test("info tells what was installed", () => {
      const info = pit.succeed(["info", id]);
      expect(info).toContain(`app/${id}`);
      expect(pit.succeed(["info", "--show-metadata", id])).toContain("command=probe");
      expect(JSON.parse(pit.succeed(["info", "--json", id]))).toMatchObject({ origin: "apps" });
    });

    test("run gives the app its own world, cold and warm alike", () => {
      const cold = pit.succeed(["run", id, "id"]);
      expect(pit.succeed(["run", id, "id"])).toBe(cold);
      expect(cold).toContain(`"uid":${uid}`);
      expect(pit.dowel(["run", id, "exit", "7"]).status).toBe(7);
      expect(pit.dowel(["run", id, "signal", "9"]).status).toBe(137);
      const files = pit.succeed([
        "run",
        id,
        "files",
        "/etc/motd",
        "/app/share/text",
        "/home",
        pit.path("home"),
        "/etc/shadow",
      ]);
      expect(files).toContain("/app/share/text");
    });

    test("update takes the new image and keeps data; nothing to do is no error", () => {
      expect(pit.succeed(["update", "--user", "-y"])).toBe("");
      pit.succeed(["run", id, "exit", "0"]);
      writeFileSync(pit.path(`home/.var/app/${id}/data/kept`), "kept");
      rmSync(host.path("images"), { recursive: true });
      mkdirSync(host.path("images"));
      const before = JSON.parse(pit.succeed(["info", "--json", id])).commit;
      host.succeed(["push", `oci:${makeLayout(host.path("images"), { text: "two\n" })}`, namespace]);
      pit.succeed(["update", "--user", "-y"]);
      expect(JSON.parse(pit.succeed(["info", "--json", id])).commit).not.toBe(before);
      expect(readFileSync(pit.path(`home/.local/share/dowel/app/${id}/current/active/files/share/text`), "utf8")).toBe(
        "two\n",
      );
      expect(existsSync(pit.path(`home/.var/app/${id}/data/kept`))).toBe(true);
    });

    test("a needed runtime stays, and uninstall removes everything but the data", () => {
      expect(pit.dowel(["uninstall", "--user", "-y", "org.example.Platform"]).stderr).toContain(id);
      pit.succeed(["uninstall", "--user", "-y", id]);
      pit.succeed(["uninstall", "--user", "-y", "--unused"]);
      expect(pit.succeed(["list", "--json"])).toBe("[]\n");
      const installation = pit.path("home/.local/share/dowel");
      expect(existsSync(`${installation}/exports/bin/${id}`)).toBe(false);
      expect(readdirSync(`${installation}/images`)).toEqual([]);
      const left = readdirSync(`${installation}/objects`, { recursive: true, withFileTypes: true }).filter((entry) =>
        entry.isFile(),
      );
      expect(left).toEqual([]);
      expect(existsSync(pit.path(`home/.var/app/${id}/data/kept`))).toBe(true);
      pit.succeed(["remote-delete", "--user", "apps"]);
      expect(pit.succeed(["remotes", "--json"])).toBe("[]\n");
    });
  });
}

describe("the system's installation", () => {
  test("made by root, is shown by composefs and run by everybody", () => {
    using host = new Sandpit();
    const layout = makeLayout(host.path("images"));
    host.succeed(["install", "--system", "-y", `oci:${layout}`, id]);
    expect(JSON.parse(host.succeed(["info", "--json", id]))).toMatchObject({ shown_as: "composefs" });
    using user = new Sandpit(ordinaryUser);
    const environment = { DOWEL_SYSTEM_DIR: host.path("system") };
    expect(user.succeed(["run", id, "id"], { environment })).toContain(`"uid":${ordinaryUser}`);
    expect(host.succeed(["run", id, "id"])).toContain('"uid":0');
    const refused = user.dowel(["uninstall", "--system", "-y", id], { environment });
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain("root");
    host.succeed(["uninstall", "--system", "-y", "--all"]);
  });

  test("deleted by hand and made anew, shows its own objects and not those that are gone", () => {
    using host = new Sandpit();
    const layout = makeLayout(host.path("images"));
    for (let round = 0; round < 2; round++) {
      rmSync(host.path("system"), { recursive: true, force: true });
      // Else the kernel still knows the files that are gone.
      writeFileSync("/proc/sys/vm/drop_caches", "2");
      host.succeed(["install", "--system", "-y", `oci:${layout}`, id]);
      expect(JSON.parse(host.succeed(["info", "--json", id]))).toMatchObject({ shown_as: "composefs" });
      expect(host.succeed(["run", id, "id"])).toContain('"uid":0');
    }
    host.succeed(["uninstall", "--system", "-y", "--all"]);
  });
});
