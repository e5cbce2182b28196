// SPDX-License-Identifier: Apache-2.0
// Published attacks of apps on the program that starts them.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeLayout, ordinaryUser, Sandpit } from "../e2e/support.ts";

const id = "org.example.Probe";

for (const [who, uid] of [
  ["root", 0],
  ["an ordinary user", ordinaryUser],
] as const) {
  describe(`started by ${who}`, () => {
    const pit = new Sandpit(uid);
    const data = pit.path("home/.var/app", id);
    const victim = pit.path("home/victim");

    beforeAll(() => {
      const layout = makeLayout(pit.path("images"), { context: "[Context]\npersistent=persist;\n" });
      pit.own(pit.path("images"));
      pit.succeed(["install", "--user", "-y", `oci:${layout}`, id]);
      pit.succeed(["run", id, "exit", "0"]);
      mkdirSync(victim);
      writeFileSync(join(victim, "kept"), "kept");
      pit.own(pit.path("home"));
    });
    afterAll(() => pit[Symbol.dispose]());

    function expectVictimUnharmed(): void {
      expect(readdirSync(victim)).toEqual(["kept"]);
      expect(readFileSync(join(victim, "kept"), "utf8")).toBe("kept");
    }

    /** Puts a link in place of something that the app can write; runs; puts back what was there. */
    function runWithLink(path: string, target: string): ReturnType<Sandpit["dowel"]> {
      const full = join(data, path);
      const aside = `${full}.aside`;
      const isThere = existsSync(full);
      if (isThere) execFileSync("mv", [full, aside]);
      symlinkSync(target, full);
      pit.own(data);
      const outcome = pit.dowel(["run", id, "files", victim, join(victim, "kept")]);
      rmSync(full);
      if (isThere) execFileSync("mv", [aside, full]);
      expectVictimUnharmed();
      return outcome;
    }

    for (const path of ["cache", "config", "data", "cache/tmp"]) {
      for (const [kind, target] of [
        ["absolute", victim],
        ["relative", "../../../victim"],
      ] as const) {
        test(`a link (${kind}) in place of ${path} stops the start (GHSA-8688-9x26-hhxj)`, () => {
          const { status, stderr, stdout } = runWithLink(
            path,
            path === "cache/tmp" ? target.replace("../", "../../") : target,
          );
          expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
          expect(stderr).toContain("HOST_PATH_UNSAFE");
          expect(stderr).toContain(path);
        });
      }
    }

    test("a link in place of a persistent folder is not followed (CVE-2024-42472)", () => {
      for (const target of [victim, "../../../victim"]) {
        const { status, stderr, stdout } = runWithLink("persist", target);
        expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
        expect(stderr).toContain("persist");
      }
    });

    test("links of the linker's cache in the app's data are never used (CVE-2026-34079, GHSA-99wv-m8rp-g58x)", () => {
      const outcome = runWithLink(".ld.so", victim);
      expect(outcome.status).toBe(0);
      mkdirSync(join(data, ".ld.so"));
      symlinkSync("../../../../victim/kept", join(data, ".ld.so/active"));
      pit.own(data);
      expect(pit.dowel(["run", id, "exit", "0"]).status).toBe(0);
      pit.succeed(["install", "--user", "-y", "--reinstall", `oci:${pit.path("images/layout")}`, id]);
      expect(pit.dowel(["run", id, "exit", "0"]).status).toBe(0);
      expectVictimUnharmed();
    });

    test("a command that looks like an option is a command (CVE-2024-32462)", () => {
      for (const command of ["--tmpfs", "--bind", "--"]) {
        const { status, stderr } = pit.dowel(["run", `--command=${command}`, id, "/", "id"]);
        expect({ status, stderr }).toEqual({ status: 127, stderr: expect.stringContaining(command) });
      }
      const { stdout, status } = pit.dowel(["run", id, "args", "--command=sh", "--filesystem=host", "--", "-x"]);
      expect(status).toBe(0);
      expect(JSON.parse(stdout).words).toEqual(["--command=sh", "--filesystem=host", "--", "-x"]);
    });

    const calls: readonly (readonly [string, readonly string[], string])[] = [
      ["input cannot be pushed to the terminal (CVE-2017-5226)", ["ioctl_tiocsti"], "EPERM"],
      ["nor with bits above 32 set (CVE-2019-10063)", ["ioctl_tiocsti_high", "ioctl_tioclinux_high"], "EPERM"],
      ["the console cannot copy and paste (CVE-2023-28100)", ["ioctl_tioclinux"], "EPERM"],
      [
        "no new mounts or namespaces by newer calls (CVE-2021-41133)",
        ["clone3", "open_tree", "move_mount", "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr"],
        "ENOSYS",
      ],
      [
        "nor by older ones (CVE-2021-41133)",
        ["unshare_user", "unshare_mount", "setns", "mount", "umount2", "pivot_root", "chroot", "clone_user"],
        "EPERM",
      ],
    ];
    for (const [name, syscalls, errno] of calls) {
      test(name, () => {
        for (const options of [[], ["--devel"], ["--share=network", "--filesystem=host"]]) {
          const { results } = JSON.parse(pit.succeed(["run", ...options, id, "syscalls"])) as {
            results: Record<string, string>;
          };
          for (const call of syscalls) expect([call, results[call]]).toEqual([call, errno]);
        }
      });
    }
  });
}
