// SPDX-License-Identifier: Apache-2.0
// Sandboxes that join a running one of the same app: with the compiled program, as root and as an ordinary user.
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { landlockVersion } from "../../src/sys/process.ts";
import { ordinaryUser } from "../e2e/support.ts";
import { hasGroups, id, type Row, useProbe } from "./support.ts";

for (const uid of [0, ordinaryUser]) {
  describe(`a sandbox with a parent, of ${uid === 0 ? "root" : "an ordinary user"}`, () => {
    const probe = useProbe(uid);
    const { pit } = probe;
    const rows = (): Row[] => probe.rows();
    const start = (...words: string[]) => probe.startListed(...words);

    const namespaceOf = (row: Row, name: string): unknown =>
      JSON.parse(readFileSync(pit.path("run/.flatpak", String(row["instance"]), "bwrapinfo.json"), "utf8"))[
        `${name}-namespace`
      ];
    const seenBy = (row: Row): number[] =>
      JSON.parse(pit.succeed(["enter", String(row["instance"]), "/app/bin/probe", "processes"]))["numbers"];
    /** The host's number of an app's own process: the child of its init. */
    const appOf = (row: Row): string =>
      readFileSync(`/proc/${row["child-pid"]}/task/${row["child-pid"]}/children`, "utf8").trim();

    for (const [way, choose] of [
      ["monitor", (row: Row) => String(row["pid"])],
      ["init", (row: Row) => String(row["child-pid"])],
      ["app", appOf],
    ] as const) {
      test(`the parent sees exposed processes, which do not see it, when it is named by its ${way}`, async () => {
        const { row: parent } = await start(id, "wait");
        const options = [`--parent-pid=${choose(parent)}`, "--parent-expose-pids"];
        const { row } = await start(...options, "--sandbox", id, "wait");
        // Init and app of both, and the command that looks; in the new one only its own.
        expect(seenBy(parent)).toHaveLength(5);
        expect(seenBy(row)).toHaveLength(3);
        expect(namespaceOf(row, "pid")).not.toBe(namespaceOf(parent, "pid"));
        for (const name of ["mnt", "uts", "ipc", "net"]) {
          expect([name, namespaceOf(row, name)]).not.toEqual([name, namespaceOf(parent, name)]);
        }
        if (hasGroups) expect(row["control_group"]).not.toBe(parent["control_group"]);
      });
    }

    test("with shared processes both see all, and neither reaches into the other's files", async () => {
      const { row: parent } = await start(id, "wait");
      const { row } = await start(`--parent-pid=${parent["pid"]}`, "--parent-share-pids", "--sandbox", id, "wait");
      expect(seenBy(parent)).toHaveLength(5);
      expect(seenBy(row)).toHaveLength(5);
      expect(namespaceOf(row, "pid")).toBe(namespaceOf(parent, "pid"));
      const look = `--parent-pid=${parent["pid"]}`;
      // Its init is closed to everybody; what keeps two apps apart is Landlock.
      for (const pid of landlockVersion() < 2 ? [1] : [1, 2]) {
        const paths = [`/proc/${pid}/root/.flatpak-info`, `/proc/${pid}/environ`];
        const said = pit.succeed(["run", look, "--parent-share-pids", "--sandbox", id, "files", ...paths]);
        const records = said
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line));
        expect(records.map((one) => [one["path"], one["read"] ?? one["stat"]])).toEqual(
          paths.map((path) => [path, "EACCES"]),
        );
      }
    });

    test("it has no rights, its filter, and cannot make namespaces", async () => {
      const { row: parent } = await start(id, "wait");
      for (const way of ["--parent-expose-pids", "--parent-share-pids"]) {
        const words = ["run", `--parent-pid=${parent["pid"]}`, way, id];
        const me = JSON.parse(pit.succeed([...words, "id"]));
        expect(me).toMatchObject({ uid, NoNewPrivs: "1", Seccomp: "2" });
        for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]) expect(me[set]).toMatch(/^0+$/);
        const { results } = JSON.parse(pit.succeed([...words, "syscalls"]));
        for (const call of ["mount", "unshare_user", "setns"]) expect([call, results[call]]).toEqual([call, "EPERM"]);
      }
    });

    test("its exit code and signals pass as ever, and with its own end all ends that it has started", async () => {
      const { row: parent } = await start(id, "wait");
      const way = [`--parent-pid=${parent["pid"]}`, "--parent-share-pids"];
      expect(pit.dowel(["run", ...way, id, "exit", "42"]).status).toBe(42);
      const { process } = await start(...way, id, "wait");
      process.child.kill("SIGTERM");
      expect((await process.outcome).status).toBe(3);
      const { row, process: many } = await start(...way, id, "forks", "20");
      const group = String(row["control_group"]);
      many.child.kill("SIGTERM");
      await many.outcome;
      if (hasGroups) {
        expect(existsSync(group)).toBe(false);
        expect(seenBy(parent)).toHaveLength(3);
      }
    });

    test("it ends with its parent", async () => {
      const { row: parent } = await start(id, "wait");
      const { process: exposed } = await start(`--parent-pid=${parent["pid"]}`, "--parent-expose-pids", id, "wait");
      const { process: shared } = await start(`--parent-pid=${parent["pid"]}`, "--parent-share-pids", id, "wait");
      pit.succeed(["kill", String(parent["instance"])]);
      expect((await exposed.outcome).status).toBe(137);
      expect((await shared.outcome).status).toBe(137);
      expect(rows()).toEqual([]);
    });

    test("a process of no sandbox, or of another app's, is refused", async () => {
      const { row: parent } = await start(id, "wait");
      const refused = (words: readonly string[]) => {
        const { status, stderr } = pit.dowel(["run", ...words]);
        return [status, stderr.split("\n")[0]];
      };
      const own = `--parent-pid=${process.pid}`;
      expect(refused([own, "--parent-share-pids", id, "id"])).toEqual([
        1,
        expect.stringContaining("the process is in no running sandbox of this user"),
      ]);
      expect(refused([`--parent-pid=${parent["pid"]}`, "--parent-expose-pids", "org.example.Platform"])).toEqual([
        1,
        expect.stringContaining("it belongs to org.example.Probe, not org.example.Platform"),
      ]);
      expect(refused([own, id, "id"])).toEqual([1, expect.stringContaining(own)]);
    });
  });
}
