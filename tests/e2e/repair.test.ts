// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { makeLayout, ordinaryUser, Sandpit, startRegistry } from "./support.ts";

const id = "org.example.Probe";

interface Finding {
  readonly kind: string;
  readonly what: string;
  readonly path: string;
  readonly mended: boolean;
}

for (const [who, uid] of [
  ["root", 0],
  ["an ordinary user", ordinaryUser],
] as const) {
  describe(`repair, as ${who}`, () => {
    const pit = new Sandpit(uid);
    const host = new Sandpit();
    let registry: Awaited<ReturnType<typeof startRegistry>>;

    const store = (path: string): string => pit.path("home/.local/share/dowel", path);
    const repair = (...words: string[]) => {
      const { status, stdout, stderr } = pit.dowel(["repair", "--user", "--json", ...words]);
      return { status, stderr, findings: JSON.parse(stdout) as Finding[] };
    };
    const objects = (): string[] =>
      readdirSync(store("objects"), { recursive: true, encoding: "utf8" })
        .map((name) => store(`objects/${name}`))
        .filter((path) => statSync(path).isFile());

    beforeAll(async () => {
      registry = await startRegistry(host, host.path("registry"));
      const namespace = `oci+http://${registry.address}/apps`;
      host.succeed(["push", `oci:${makeLayout(host.path("images"))}`, namespace]);
      pit.succeed(["remote-add", "--user", "apps", namespace]);
      pit.succeed(["install", "--user", "-y", "apps", id]);
    });
    afterAll(async () => {
      await registry.stop();
      pit[Symbol.dispose]();
      host[Symbol.dispose]();
    });

    test("a sound installation is said to be sound, without an error", () => {
      expect(pit.dowel(["repair", "--user"])).toEqual({ status: 0, stdout: "Everything is sound.\n", stderr: "" });
    });

    test("what is damaged is found, fetched again from the registry, and runs", () => {
      for (const path of objects()) writeFileSync(path, "damaged");
      rmSync(store("exports"), { recursive: true });
      const dry = repair("--dry-run");
      expect(dry.status).toBe(1);
      expect(dry.findings.filter(({ what }) => what === "damaged").length).toBe(objects().length);
      expect(objects().every((path) => readFileSync(path, "utf8") === "damaged")).toBe(true);
      const done = repair();
      expect(done.stderr).toBe("");
      expect(done.findings.filter(({ mended }) => !mended)).toEqual([]);
      expect(done.status).toBe(0);
      expect(repair("--dry-run")).toEqual({ status: 0, stderr: "", findings: [] });
      expect(pit.succeed(["run", id, "id"])).toContain(`"uid":${uid}`);
    });

    test("one damaged deployment hides no other", () => {
      const broken = store(`app/${id}/current/active/deploy.json`);
      const text = readFileSync(broken, "utf8");
      writeFileSync(broken, "{");
      const { status, stdout, stderr } = pit.dowel(["list", "--user", "--columns=application"]);
      expect([status, stdout]).toEqual([0, "org.example.Platform\n"]);
      expect(stderr).toContain("deploy.json");
      expect(stderr).toContain("dowel repair");
      expect(repair().status).toBe(0);
      const { deployedAt: _, ...before } = JSON.parse(text) as Record<string, unknown>;
      expect(JSON.parse(readFileSync(broken, "utf8"))).toMatchObject(before);
    });

    test("where the registry is gone, what cannot be mended is said, with status 1", async () => {
      await registry.stop();
      for (const path of objects()) writeFileSync(path, "damaged");
      const { status, stderr, findings } = repair();
      expect(status).toBe(1);
      expect(stderr).toContain("cannot be fetched again");
      expect(findings.some(({ mended }) => !mended)).toBe(true);
      expect(pit.succeed(["list", "--user", "--app", "--columns=application"])).toBe(`${id}\n`);
    });
  });
}
