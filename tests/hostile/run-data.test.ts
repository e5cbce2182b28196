// SPDX-License-Identifier: Apache-2.0
// Apps that leave links in the folders that are theirs, before a start and while starts go on.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { makeLayout, type Outcome, ordinaryUser, Sandpit } from "../e2e/support.ts";

const id = "org.example.Probe";
const context = "[Context]\nfilesystems=xdg-config/toolkit;\npersistent=keep;../../victim;/etc;\n";

/** Puts a link in a path's place and the real thing back, again and again, until it is killed. */
const swapper = `
import os, shutil, sys
path, target = sys.argv[1:]
print("ready", flush=True)
while True:
    try:
        os.rename(path, path + ".real")
        os.symlink(target, path)
        os.unlink(path)
    except OSError:
        # A start has made the folder anew in between.
        shutil.rmtree(path, ignore_errors=True)
    try:
        os.rename(path + ".real", path)
    except OSError:
        pass
`;

for (const [who, uid] of [
  ["root", 0],
  ["an ordinary user", ordinaryUser],
] as const) {
  describe(`links in the app's data, started by ${who}`, () => {
    const pit = new Sandpit(uid);
    const data = pit.path("home/.var/app", id);
    const victim = pit.path("home/victim");

    beforeAll(() => {
      const layout = makeLayout(pit.path("images"), { context });
      mkdirSync(victim);
      writeFileSync(join(victim, "kept"), "the victim's");
      mkdirSync(pit.path("home/.config/toolkit"), { recursive: true });
      writeFileSync(pit.path("home/.config/toolkit/settings"), "settings");
      pit.own(pit.path("images"));
      pit.own(pit.path("home"));
      pit.succeed(["install", "--user", "-y", `oci:${layout}`, id]);
      pit.succeed(["run", id, "exit", "0"]);
    });
    afterAll(() => pit[Symbol.dispose]());

    function expectVictimUnharmed({ stdout }: Outcome): void {
      expect(stdout).not.toContain("the victim's");
      expect(readdirSync(victim)).toEqual(["kept"]);
      expect(readFileSync(join(victim, "kept"), "utf8")).toBe("the victim's");
    }

    const shown = ["/var/cache", "/var/data", "/var/config", "/var/tmp", pit.path("home/keep"), data].flatMap(
      (folder) => [folder, `${folder}/kept`],
    );

    async function swapping(path: string, work: () => void): Promise<void> {
      const child: ChildProcess = spawn("/usr/bin/python3", ["-c", swapper, path, victim], {
        stdio: ["ignore", "pipe", "ignore"],
        ...(uid === 0 ? {} : { uid, gid: uid }),
      });
      const ended = new Promise<void>((done) => child.once("exit", () => done()));
      await new Promise<void>((done) => child.stdout?.once("data", () => done()));
      try {
        work();
      } finally {
        child.kill("SIGKILL");
        await ended;
        if (existsSync(`${path}.real`)) {
          rmSync(path, { force: true, recursive: true });
          renameSync(`${path}.real`, path);
        }
      }
    }

    test.each(["cache", "cache/tmp", "config", "data", "keep"])(
      "%s swapped with a link while starts go on never leads to the victim (GHSA-8688-9x26-hhxj, CVE-2026-34078)",
      async (name) => {
        let succeeded = 0;
        await swapping(join(data, name), () => {
          for (let index = 0; index < 14; index += 1) {
            // Every other start is a cold one.
            const options = index % 2 === 0 ? [] : [`--env=N=${index}`];
            const outcome = pit.dowel(["run", ...options, id, "files", ...shown]);
            expectVictimUnharmed(outcome);
            succeeded += outcome.status === 0 ? 1 : 0;
            if (outcome.status !== 0) expect(outcome.stderr).toMatch(/^error/m);
          }
        });
        expect(pit.dowel(["run", id, "exit", "0"]).status).toBe(0);
        expect(succeeded).toBeLessThanOrEqual(14);
      },
      30_000,
    );

    test.each([
      ["config/toolkit", "../../../../victim"],
      ["config/toolkit", victim],
      ["config/user-dirs.dirs", `${victim}/kept`],
    ])(
      "a mount below the app's folders does not go through %s -> %s (CVE-2026-87766, GHSA-pxhw-h44j-8pfx)",
      (name, target) => {
        const path = join(data, name);
        const aside = `${path}.aside`;
        for (const options of [[], ["--filesystem=xdg-download"]]) {
          mkdirSync(dirname(path), { recursive: true });
          if (existsSync(path)) renameSync(path, aside);
          symlinkSync(target, path);
          const outcome = pit.dowel(["run", ...options, id, "files", join(victim, "kept"), `${path}/kept`]);
          expectVictimUnharmed(outcome);
          if (name === "config/toolkit") {
            expect({ ...outcome }).toMatchObject({ status: 1, stdout: "" });
            expect(outcome.stderr).toContain("config/toolkit");
          }
          rmSync(path);
          if (existsSync(aside)) renameSync(aside, path);
        }
        expect(pit.dowel(["run", id, "exit", "0"]).status).toBe(0);
      },
    );

    test("a link in the shared /tmp does not move a mount", () => {
      const point = pit.path("run/dowel/apps", id, "tmp/.X11-unix");
      for (const target of [victim, "../../../../../home/victim", "/etc"]) {
        rmSync(point, { recursive: true });
        symlinkSync(target, point);
        const outcome = pit.dowel(["run", id, "files", "/tmp/.X11-unix/kept"]);
        expectVictimUnharmed(outcome);
        expect(outcome).toMatchObject({ status: 1, stdout: "", stderr: expect.stringContaining(".X11-unix") });
        rmSync(point);
        mkdirSync(point);
        pit.own(point);
      }
      expect(pit.dowel(["run", id, "exit", "0"]).status).toBe(0);
    });

    test("persistent paths that lead up or are absolute name nothing outside (CVE-2024-42472)", () => {
      const { mounts, data: entries } = JSON.parse(pit.succeed(["plumbing", "spec", id]));
      const sources = mounts.flatMap((mount: { source?: string }) => mount.source ?? []);
      expect(sources).toContain(join(data, "keep"));
      expect(sources).toContain(join(data, "etc"));
      expect(sources).not.toContain("/etc");
      expect(JSON.stringify([sources, entries])).not.toContain("victim");
    });
  });
}
