// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { makeLayout, ordinaryUser, Sandpit, startRegistry } from "./support.ts";

const id = "org.example.Probe";

/** A process in a sandbox of a certain version. */
function sandboxed(commit: string): string {
  const found = readdirSync("/proc").find((pid) => {
    const info = `/proc/${pid}/root/.flatpak-info`;
    return /^[0-9]+$/.test(pid) && existsSync(info) && readFileSync(info, "utf8").includes(commit);
  });
  return found ?? "";
}

for (const [who, uid] of [
  ["root", 0],
  ["an ordinary user", ordinaryUser],
] as const) {
  describe(`versions, as ${who}`, () => {
    const pit = new Sandpit(uid);
    const host = new Sandpit();
    const commits: string[] = [];
    let registry: Awaited<ReturnType<typeof startRegistry>>;
    let namespace = "";

    function push(text: string): void {
      rmSync(host.path("images"), { recursive: true, force: true });
      mkdirSync(host.path("images"));
      host.succeed(["push", `oci:${makeLayout(host.path("images"), { text })}`, namespace]);
    }
    const active = (): string => JSON.parse(pit.succeed(["info", "--json", id])).commit as string;
    const installation = (): string => pit.path("home/.local/share/dowel");
    const text = (): string => readFileSync(`${installation()}/app/${id}/current/active/files/share/text`, "utf8");

    beforeAll(async () => {
      registry = await startRegistry(host, host.path("registry"));
      namespace = `oci+http://${registry.address}/apps`;
      push("one\n");
      pit.succeed(["remote-add", "--user", "apps", namespace]);
      pit.succeed(["install", "--user", "-y", "apps", id]);
      commits.push(active());
      for (const version of ["two\n", "three\n"]) {
        push(version);
        pit.succeed(["update", "--user", "-y"]);
        commits.push(active());
      }
    });
    afterAll(async () => {
      await registry.stop();
      pit[Symbol.dispose]();
      host[Symbol.dispose]();
    });

    test("rollback goes to the version before the last update, and back again", () => {
      expect(new Set(commits).size).toBe(3);
      pit.succeed(["rollback", "--user", "-y", id]);
      expect([active(), text()]).toEqual([commits[1] ?? "", "two\n"]);
      expect(pit.succeed(["run", id, "files", "/app/share/text"])).toContain("/app/share/text");
      pit.succeed(["rollback", "--user", "-y", id]);
      expect([active(), text()]).toEqual([commits[2] ?? "", "three\n"]);
    });

    test("update --commit fetches a version that is not kept, by its digest", () => {
      pit.succeed(["update", "--user", "-y", `--commit=${commits[0]}`, id]);
      expect([active(), text()]).toEqual([commits[0] ?? "", "one\n"]);
      expect(pit.dowel(["update", "--user", "-y", `--commit=${"0".repeat(64)}`, id]).status).toBe(1);
      expect(pit.dowel(["update", "--user", "-y", "--commit=xyz", id]).stderr).toContain("64 hex digits");
      expect(active()).toBe(commits[0] ?? "");
      expect(JSON.parse(pit.succeed(["repair", "--user", "--dry-run", "--json"]))).toEqual([]);
    });

    test("rollback --to takes a beginning of a commit; update takes the newest again", () => {
      pit.succeed(["rollback", "--user", "-y", `--to=${commits[2]?.slice(0, 12)}`, id]);
      expect(active()).toBe(commits[2] ?? "");
      pit.succeed(["rollback", "--user", "-y", `--to=${commits[1]}`, id]);
      expect(text()).toBe("two\n");
      pit.succeed(["update", "--user", "-y"]);
      expect(text()).toBe("three\n");
    });

    test("history tells of every change", () => {
      const rows = JSON.parse(pit.succeed(["history", "--user", "--json"])) as Record<string, string>[];
      const app = rows.filter((row) => row["application"] === id && row["change"] !== "pull oci");
      expect(app.map((row) => row["change"])).toEqual([
        "deploy install",
        "deploy update",
        "deploy update",
        "rollback",
        "rollback",
        "deploy update",
        "rollback",
        "deploy update",
        "deploy update",
      ]);
      expect(app[1]).toMatchObject({ remote: "apps", commit: commits[1], old_commit: commits[0], tool: "dowel" });
      expect(pit.succeed(["history", "--user", "--columns=change,ref", "--reverse"]).split("\n")[0]).toStartWith(
        "deploy update\tapp/",
      );
      expect(pit.succeed(["history", "--user", "--since=1h", "--until=1h"])).toBe("");
      expect(pit.dowel(["history", "--since=yesterday-ish"]).stderr).toContain("expected one like");
    });

    test("a running app keeps its files until it ends, even when it is removed", async () => {
      const before = commits[2] ?? "";
      expect(active()).toBe(before);
      const { child, outcome } = pit.start(["run", id, "wait"]);
      await new Promise<void>((ready) => child.stdout.once("data", () => ready()));
      pit.succeed(["uninstall", "--user", "-y", id]);
      expect(readdirSync(`${installation()}/.removed`)).toContain(`${before}.0`);
      expect(existsSync(`${installation()}/images/${before}/image.cfs`)).toBe(true);
      expect(readFileSync(`/proc/${sandboxed(before)}/root/app/share/text`, "utf8")).toBe("three\n");
      child.kill("SIGTERM");
      expect((await outcome).status).toBe(3);
      pit.succeed(["uninstall", "--user", "-y", "--unused"]);
      expect(readdirSync(`${installation()}/.removed`)).toEqual([]);
      expect(readdirSync(`${installation()}/images`)).toEqual([]);
    });
  });
}
