// SPDX-License-Identifier: Apache-2.0
// What runs, as `ps`, Flatpak and the kernel see it: with the compiled program, as root and as an ordinary user.
import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { dowelPath, ordinaryUser } from "../e2e/support.ts";
import { until } from "../support/until.ts";
import { hasGroups, id, type Row, useProbe } from "./support.ts";

for (const uid of [0, ordinaryUser]) {
  describe(`instances of ${uid === 0 ? "root" : "an ordinary user"}`, () => {
    const probe = useProbe(uid);
    const { pit } = probe;
    const rows = (): Row[] => probe.rows();
    /** Starts the probe, waits until it says that it is ready, and answers its instance. */
    const start = (...options: string[]) => probe.startListed(...options, id, "wait");

    const folder = () => pit.path("run/.flatpak");
    test("ps lists what runs with its processes and what it uses, and nothing afterwards", async () => {
      expect(rows()).toEqual([]);
      const { row, process } = await start();
      expect(row).toMatchObject({ application: id, runtime: "org.example.Platform", branch: "stable" });
      expect(Number(row["memory"])).toBeGreaterThan(0);
      expect(Number(row["cpu"])).toBeGreaterThan(0);
      expect(row["tasks"]).toBe(2);
      expect(pit.succeed(["ps", "--columns=application,instance"])).toBe(`${id}\t${row["instance"]}\n`);
      process.child.kill("SIGTERM");
      expect((await process.outcome).status).toBe(3);
      expect(rows()).toEqual([]);
      expect(existsSync(`${folder()}/${row["instance"]}`)).toBe(false);
    });

    test("the instance's folder is what Flatpak makes, and Flatpak lists it", async () => {
      const { row } = await start();
      const own = `${folder()}/${row["instance"]}`;
      const read = (name: string) => readFileSync(`${own}/${name}`, "utf8");
      expect(readdirSync(own).sort()).toEqual([
        ".ref",
        "bwrapinfo.json",
        ...(hasGroups ? ["dowel"] : []),
        "info",
        "pid",
      ]);
      expect(read("pid")).toBe(String(row["pid"]));
      expect(read("info")).toContain(`\ninstance-id=${row["instance"]}\ninstance-path=`);
      const described = JSON.parse(read("bwrapinfo.json"));
      expect(described["child-pid"]).toBe(row["child-pid"]);
      const list = spawnSync("flatpak", ["ps", "--columns=instance,pid,child-pid,application"], {
        env: pit.environment,
        encoding: "utf8",
        ...(uid === 0 ? {} : { uid, gid: uid }),
      });
      expect(list.stdout).toBe(`${row["instance"]}\t${row["pid"]}\t${row["child-pid"]}\t${id}\n`);
      // Flatpak sweeps folders that nobody locks once they are three seconds old.
      utimesSync(`${own}/.ref`, 1, 1);
      spawnSync("flatpak", ["ps"], { env: pit.environment, ...(uid === 0 ? {} : { uid, gid: uid }) });
      expect(existsSync(`${own}/info`)).toBe(true);
    });

    test("the sandbox sees its own number, and namespaces that are those noted", async () => {
      const { row } = await start();
      const own = `${folder()}/${row["instance"]}`;
      const inside = JSON.parse(
        pit.succeed(["enter", String(row["instance"]), "/app/bin/probe", "files", "/.flatpak-info"]),
      );
      expect(inside["content"]).toBe(readFileSync(`${own}/info`, "utf8"));
      const below = `/run/flatpak/.flatpak/${row["instance"]}/pid`;
      expect(JSON.parse(pit.succeed(["enter", id, "/app/bin/probe", "files", below]))).toMatchObject({
        content: String(row["pid"]),
        write: "EROFS",
      });
      const noted = JSON.parse(readFileSync(`${own}/bwrapinfo.json`, "utf8"));
      for (const name of ["mnt", "pid", "net", "ipc", "uts", "cgroup"]) {
        expect(noted[`${name}-namespace`]).toBeNumber();
      }
    });

    test("numbers never come again, cold or warm, also where the counter is lost", () => {
      const numbers: number[] = [];
      for (let i = 0; i < 6; i++) {
        const text = JSON.parse(pit.succeed(["run", id, "files", "/.flatpak-info"]))["content"];
        numbers.push(Number(/^instance-id=(\d+)$/m.exec(text)?.[1]));
        if (i === 3) writeFileSync(pit.path("run/dowel/instances"), "damaged");
      }
      expect(numbers).toEqual([...new Set(numbers)].sort((left, right) => left - right));
      expect(readdirSync(folder())).toEqual([]);
    });

    test("a monitor that is killed ends the sandbox, and the next ps takes away what it left", async () => {
      const { row, process } = await start();
      process.child.kill("SIGKILL");
      await process.outcome;
      await until("the init is gone", () => !existsSync(`/proc/${row["child-pid"]}/fd`));
      const own = `${folder()}/${row["instance"]}`;
      expect(existsSync(own)).toBe(true);
      utimesSync(`${own}/.ref`, 1, 1);
      expect(rows()).toEqual([]);
      expect(existsSync(own)).toBe(false);
      if (hasGroups) expect(existsSync(String(row["control_group"]))).toBe(false);
    });

    test("kill ends one instance by its number, and all by the app's id", async () => {
      const first = await start();
      const second = await start();
      const third = await start();
      const killed = JSON.parse(pit.succeed(["kill", "--json", String(second.row["instance"])]));
      expect(killed).toEqual([{ instance: second.row["instance"], application: id, pid: second.process.child.pid }]);
      expect((await second.process.outcome).status).toBe(137);
      expect(rows().map((row) => row["instance"])).toEqual([first.row["instance"], third.row["instance"]] as string[]);
      pit.succeed(["kill", id]);
      expect((await first.process.outcome).status).toBe(137);
      expect((await third.process.outcome).status).toBe(137);
      const { status, stderr } = pit.dowel(["kill", id]);
      expect({ status, stderr }).toMatchObject({ status: 1, stderr: expect.stringContaining(`${id} does not run`) });
    });

    test("forty instances, started one after the other and kept, each cost the same", async () => {
      let ready = 0;
      for (let i = 1; i <= 40; i++) {
        const process = pit.start(["run", id, "wait"]);
        probe.started.push(process);
        process.child.stdout.once("data", () => ready++);
        await until(`instance ${i} is ready`, () => ready === i);
      }
      const memory = rows().map((row) => {
        const pss = [row["pid"], row["child-pid"]].map((pid) => readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"));
        return pss.reduce((sum, text) => sum + Number(/^Pss:\s+(\d+) kB/m.exec(text)?.[1]), 0);
      });
      expect(memory).toHaveLength(40);
      // KiB beside the app: monitor and init.
      expect(Math.max(...memory)).toBeLessThan(300);
      pit.succeed(["kill", id]);
      for (const { outcome } of probe.started.splice(0)) expect((await outcome).status).toBe(137);
    });

    test("enter runs a command as the app, with its environment and folder, and behind its filter", async () => {
      const { row } = await start("--env=ONLY_HERE=1", "--cwd=/var/data");
      const enter = (...words: string[]) => pit.dowel(["enter", String(row["instance"]), "/app/bin/probe", ...words]);
      const me = JSON.parse(enter("id").stdout);
      expect(me).toMatchObject({ uid, cwd: "/var/data", NoNewPrivs: "1", Seccomp: "2" });
      for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]) expect(me[set]).toMatch(/^0+$/);
      expect(JSON.parse(enter("env").stdout)["variables"]).toMatchObject({ ONLY_HERE: "1", FLATPAK_ID: id });
      const [first, second, third, ...more] = JSON.parse(enter("processes").stdout)["numbers"];
      expect([first, second, more]).toEqual([1, 2, []]);
      expect(third).toBeGreaterThan(2);
      expect(enter("exit", "42").status).toBe(42);
      expect(enter("signal", "15").status).toBe(143);
      expect(pit.dowel(["enter", id, "/no/such"])).toMatchObject({ status: 127 });
      const nobody = pit.dowel(["enter", "4711", "true"]);
      expect(nobody).toMatchObject({ status: 1, stderr: expect.stringContaining("4711 does not run") });
    });

    // Left out where ./dev could make no control group: the kernel or the container gives none.
    test.skipIf(!hasGroups)("a control group holds all processes of the sandbox and says whose they are", async () => {
      const { row } = await start();
      const group = String(row["control_group"]);
      expect(readFileSync(`${group}/cgroup.procs`, "utf8").split("\n")).toContain(String(row["child-pid"]));
      expect(readFileSync(`/proc/${row["child-pid"]}/cgroup`, "utf8")).toEndWith(`/dowel-${row["instance"]}\n`);
      const names = ["id", "ref", "image", "instance"];
      const values = names.map(
        (name) =>
          spawnSync("getfattr", ["--only-values", "-n", `user.dowel.${name}`, group], { encoding: "utf8" }).stdout,
      );
      expect(values).toEqual([
        id,
        expect.stringMatching(/^app\/org\.example\.Probe\//),
        String(row["commit"]),
        String(row["instance"]),
      ]);
      const inside = JSON.parse(pit.succeed(["enter", id, "/app/bin/probe", "files", "/proc/self/cgroup"]))["content"];
      expect(inside).toContain("0::/\n");
    });

    // Left out where ./dev could make no control group: the kernel or the container gives none.
    test.skipIf(!hasGroups)("a start without a place for a control group says so, and how to do without", () => {
      const user = uid === 0 ? [] : ["setpriv", `--reuid=${uid}`, `--regid=${uid}`, "--clear-groups"];
      // Without any, and for an ordinary user also where the group is somebody else's.
      const places = [
        "mount -t tmpfs none /sys/fs/cgroup",
        ...(uid === 0 ? [] : [`echo $$ >${outerGroup()}/cgroup.procs`]),
      ];
      for (const place of places) {
        const words = ["--mount", "sh", "-ec", `${place}; exec "$@"`, "-", ...user, dowelPath, "run"];
        const run = (...more: string[]) =>
          spawnSync("unshare", [...words, ...more, id, "exit", "7"], {
            env: pit.environment,
            cwd: "/",
            encoding: "utf8",
          });
        const { status, stderr } = run();
        expect({ place, status }).toEqual({ place, status: 1 });
        expect(stderr).toContain("control group");
        expect(stderr).toContain("--no-require-cgroup");
        expect(run("--no-require-cgroup")).toMatchObject({ status: 7, stderr: "" });
      }
    });
  });
}

/** The control group above the tests' own, which belongs to root. */
function outerGroup(): string {
  const mount = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].find((path) => existsSync(`${path}/cgroup.controllers`));
  const own = /^0::(.*)$/m.exec(readFileSync("/proc/self/cgroup", "utf8"))?.[1] ?? "/";
  return `${mount}${dirname(own)}`;
}
