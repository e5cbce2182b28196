// SPDX-License-Identifier: Apache-2.0
// Kept plans that somebody damaged, exchanged or forged: none is carried out, and the start goes the slow way.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { planCacheName } from "../../src/sandbox/plan/index.ts";
import { makeLayout, ordinaryUser, Sandpit } from "../e2e/support.ts";

const id = "org.example.Probe";

for (const [who, uid] of [
  ["root", 0],
  ["an ordinary user", ordinaryUser],
] as const) {
  describe(`plans, started by ${who}`, () => {
    const pit = new Sandpit(uid);
    const plans = pit.path("run/dowel/plans");
    const plan = join(plans, planCacheName(["run", id]));
    const forged = join(plans, planCacheName(["run", "--command=forged", id]));
    let bytes: Buffer = Buffer.alloc(0);

    beforeAll(() => {
      const layout = makeLayout(pit.path("images"));
      pit.own(pit.path("images"));
      pit.own(pit.path("home"));
      pit.succeed(["install", "--user", "-y", `oci:${layout}`, id]);
      pit.succeed(["run", id, "exit", "0"]);
      // The same plan with another command: what an attacker would like to have run.
      pit.dowel(["run", "--command=forged", id]);
      bytes = readFileSync(plan);
    });
    afterAll(() => pit[Symbol.dispose]());

    /** Runs with what lies at the plan's place; the app must be the right one, and the right plan be there again. */
    function expectRightStart(): void {
      const outcome = pit.dowel(["run", id, "args", "right"]);
      expect({ ...outcome }).toEqual({ status: 0, stdout: '{"verb":"args","words":["right"]}\n', stderr: "" });
    }

    function put(content: Uint8Array): void {
      rmSync(plan, { recursive: true, force: true });
      writeFileSync(plan, content, { mode: 0o600 });
      chownSync(plan, uid, uid);
    }

    test("a plan that is cut is not used, wherever it is cut", () => {
      for (const length of [0, 1, 8, 111, 112, 500, bytes.length - 1]) {
        put(bytes.subarray(0, length));
        expectRightStart();
        expect(readFileSync(plan).length).toBe(bytes.length);
      }
    });

    test("a plan of another version, with another magic, or with more behind it is not used", () => {
      for (const [offset, value] of [
        [0, 0x58],
        [8, 1],
        [8, 3],
        [12, 0],
        [16, 0xff],
      ] as const) {
        const changed = Buffer.from(bytes);
        changed[offset] = value;
        put(changed);
        expectRightStart();
      }
      put(Buffer.concat([bytes, Buffer.from("more")]));
      expectRightStart();
    });

    test("a plan for other words under this name is not used", () => {
      put(readFileSync(forged));
      expectRightStart();
    });

    test("a plan that another user wrote is not used", () => {
      put(readFileSync(forged));
      chownSync(plan, uid + 1, uid + 1);
      expectRightStart();
      put(bytes);
      chownSync(plan, uid + 1, uid + 1);
      expectRightStart();
    });

    test("a link, a folder or a pipe in the plan's place is not used, and stops nothing", () => {
      const aside = pit.path("work/aside");
      copyFileSync(forged, aside);
      chownSync(aside, uid, uid);
      rmSync(plan);
      symlinkSync(aside, plan);
      expectRightStart();
      rmSync(plan);
      execFileSync("mkfifo", [plan]);
      expectRightStart();
      rmSync(plan, { force: true });
      mkdirSync(plan);
      const outcome = pit.dowel(["run", id, "args", "right"]);
      expect(outcome.stdout === "" ? outcome.stderr : outcome.stdout).toMatch(/right|plans/);
      rmSync(plan, { recursive: true });
      expectRightStart();
    });

    test("a folder of plans that others could write to, or a link to one, is refused by name", () => {
      const folder = pit.path("run/dowel");
      chmodSync(folder, 0o770);
      expect(pit.dowel(["run", id, "exit", "0"]).stderr).toContain("HOST_PATH_UNSAFE");
      chmodSync(folder, 0o700);
      renameSync(folder, pit.path("run/elsewhere"));
      symlinkSync("elsewhere", folder);
      const { stderr, status } = pit.dowel(["run", id, "exit", "0"]);
      expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining(folder) });
      rmSync(folder);
      renameSync(pit.path("run/elsewhere"), folder);
      expectRightStart();
    });

    test("a second name for the plan changes nothing (hard link)", () => {
      put(bytes);
      linkSync(plan, join(plans, "second"));
      expectRightStart();
      rmSync(join(plans, "second"));
      expect(existsSync(plan)).toBe(true);
    });
  });
}
