// SPDX-License-Identifier: Apache-2.0
// What an app can try to seem to be another, to stay, or to take all: each with its defined end.
import { describe, expect, test } from "bun:test";
import { execFileSync, spawn } from "node:child_process";
import { existsSync, readFileSync, utimesSync } from "node:fs";
import { dowelPath, ordinaryUser } from "../e2e/support.ts";
import { hasGroups, id, useProbe } from "../instances/support.ts";
import { until } from "../support/until.ts";

for (const [who, uid] of [
  ["root", 0],
  ["an ordinary user", ordinaryUser],
] as const) {
  describe(`started by ${who}`, () => {
    const probe = useProbe(uid);
    const { pit } = probe;
    const rows = () => probe.rows();
    const start = (...words: string[]) => probe.start(id, ...words);

    test("an app cannot write, move or cover its /.flatpak-info, nor its instance's folder", () => {
      const paths = ["/.flatpak-info", "/run/flatpak/.flatpak", "/"];
      const words = ["run", "--filesystem=host", id, "files", ...paths];
      const records = pit
        .succeed(words)
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line));
      expect(records.map(({ path, write }) => [path, write])).toEqual(paths.map((path) => [path, "EROFS"]));
      const { results } = JSON.parse(pit.succeed(["run", id, "syscalls"]));
      for (const call of ["mount", "umount2", "pivot_root", "chroot", "unshare_user", "unshare_mount", "setns"]) {
        expect([call, results[call]]).toEqual([call, "EPERM"]);
      }
    });

    test("what an app writes into its own data does not make it another one to ps and kill", async () => {
      await start("wait");
      const [row] = rows();
      expect(row?.["application"]).toBe(id);
      // A folder that looks like an instance but is locked by nobody is none.
      const forged = pit.path("run/.flatpak/1");
      execFileSync("mkdir", [forged]);
      for (const name of ["info", "pid", ".ref"]) execFileSync("touch", [`${forged}/${name}`]);
      pit.own(forged);
      expect(rows().map((one) => one["instance"])).toEqual([String(row?.["instance"])]);
      expect(pit.dowel(["kill", "1"]).status).toBe(1);
    });

    test("an app that forks and hides from signals and sessions ends as a whole with kill", async () => {
      const { process, said } = await start("forks", "100");
      expect(JSON.parse(said)).toMatchObject({ made: 100 });
      const [row] = rows();
      expect(row?.["tasks"]).toBe(102);
      const pids = execFileSync("pgrep", ["--ns", String(row?.["child-pid"]), "--nslist", "pid"], { encoding: "utf8" });
      expect(pids.trim().split("\n")).toHaveLength(102);
      pit.succeed(["kill", id]);
      expect((await process.outcome).status).toBe(137);
      for (const pid of pids.trim().split("\n")) expect(existsSync(`/proc/${pid}/exe`)).toBe(false);
      expect(rows()).toEqual([]);
    });

    test("an app does not outlive the caller that it shall die with, whatever it has started", async () => {
      const script = `"$0" run --die-with-parent ${id} forks 3 & wait`;
      const parent = spawn("/bin/bash", ["-c", script, dowelPath], {
        stdio: ["ignore", "pipe", "inherit"],
        env: pit.environment,
        cwd: "/",
        ...(uid === 0 ? {} : { uid, gid: uid }),
      });
      let said = "";
      parent.stdout.on("data", (more) => {
        said += more;
      });
      await until("the app is ready", () => said.includes("ready"));
      const [row] = rows();
      parent.kill("SIGKILL");
      await until("the init is gone", () => !existsSync(`/proc/${row?.["child-pid"]}/fd`));
      // What a killed monitor leaves is taken away once it is three seconds old.
      utimesSync(pit.path("run/.flatpak", String(row?.["instance"]), ".ref"), 1, 1);
      expect(rows()).toEqual([]);
      if (hasGroups) expect(existsSync(String(row?.["control_group"]))).toBe(false);
    });

    // Left out where ./dev could make no control group: the kernel or the container gives none.
    test.skipIf(!hasGroups)("an app finds no way to another control group", async () => {
      await start("forks", "3");
      const [row] = rows();
      const group = String(row?.["control_group"]);
      const inside = ["/sys/fs", "/sys/fs/cgroup", "/proc/1/cgroup"];
      const words = ["enter", id, "/app/bin/probe", "files", ...inside];
      const records = pit
        .succeed(words)
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line));
      expect(records.slice(0, 2).map(({ stat }) => stat)).toEqual(["ENOENT", "ENOENT"]);
      expect(records[2].content).toContain("0::/\n");
      // All that it has started is in the group, and nothing in another.
      const pids = readFileSync(`${group}/cgroup.procs`, "utf8").trim().split("\n");
      expect(pids).toHaveLength(5);
      for (const pid of pids)
        expect(readFileSync(`/proc/${pid}/cgroup`, "utf8")).toEndWith(`/dowel-${row?.["instance"]}\n`);
    });

    test("namespaces that an app makes, with a /.flatpak-info of its own making, leave it the app to ps and the kernel", async () => {
      // It may cover what it likes there; its control group and its instance stay. As root it can make them, but map no
      // user: the one it could map is 0, for which Linux since 5.12 asks CAP_SETFCAP of who made the namespace.
      const process = pit.start(["run", "--allow=userns", id, "nest", "wait"]);
      probe.started.push(process);
      let said = "";
      process.child.stdout.on("data", (more) => {
        said += more;
      });
      await until("the namespaces are there", () => said.includes('"verb":"nest"'));
      const [row] = rows();
      expect(JSON.parse(said)).toMatchObject({ made: 32, error: "ENOSPC" });
      expect([row?.["application"], row?.["tasks"]]).toEqual([id, 34]);
      pit.succeed(["kill", id]);
      expect((await process.outcome).status).toBe(137);
    });
  });
}
