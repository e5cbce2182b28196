// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { readFileSync, readlinkSync, symlinkSync } from "node:fs";
import { createServer } from "node:net";
import type { MountOperation } from "../../src/sandbox/plan/index.ts";
import { buildLauncher, firstRecord, launch, ordinaryUser, Workspace } from "./support.ts";

let workspace: Workspace;
beforeAll(() => {
  buildLauncher();
  workspace = new Workspace();
});
afterAll(() => workspace[Symbol.dispose]());

function bind(source: string, target: string, changes: Partial<Extract<MountOperation, { kind: "bind" }>> = {}) {
  const flags = { readOnly: true, recursive: true, devices: false, noSymlinks: false, optional: false };
  return { kind: "bind", source, target, ...flags, ...changes } as const;
}

const nobodysCapabilities = "0000000000000000";

for (const user of [0, ordinaryUser]) {
  const options = { user };

  describe(`as user ${user}`, () => {
    test("launch() runs the command as the caller, alone in its namespaces, without rights", () => {
      const outcome = launch(workspace, workspace.plan({ hostname: "box" }), ["id"], options);
      expect(outcome.stderr).toBe("");
      expect(outcome.code).toBe(0);
      expect(firstRecord(outcome)).toMatchObject({
        uid: user,
        euid: user,
        gid: user,
        pid: 2,
        ppid: 1,
        hostname: "box",
        CapInh: nobodysCapabilities,
        CapPrm: nobodysCapabilities,
        CapEff: nobodysCapabilities,
        CapBnd: nobodysCapabilities,
        CapAmb: nobodysCapabilities,
        NoNewPrivs: "1",
      });
    });

    test("launch() shows only the sandbox's processes and closes what the caller left open", () => {
      expect(firstRecord(launch(workspace, workspace.plan(), ["processes"], options))["numbers"]).toEqual([1, 2]);
      expect(firstRecord(launch(workspace, workspace.plan(), ["fds"], options))["numbers"]).toEqual([0, 1, 2]);
    });

    test("launch() makes a root that cannot be written", () => {
      const outcome = launch(workspace, workspace.plan(), ["files", "/", "/bin/probe", "/etc", "/run"], options);
      const writes = outcome.records.map((record) => record["write"]);
      expect(writes).toEqual(["EROFS", "EROFS", "EROFS", "OK"]);
      expect(outcome.records[0]?.["entries"]).toEqual(expect.arrayContaining(["bin", "etc", "proc", "dev"]));
      expect(outcome.records[0]?.["entries"]).not.toContain("work");
    });

    test("launch() lets nobody write to the kernel's settings", () => {
      const covered = ["sys", "irq", "bus", "acpi", "fs", "scsi", "mtrr", "sysrq-trigger"].map(
        (name) => `/proc/${name}`,
      );
      const found = spawnSync("find", [...covered, "-type", "f"], { encoding: "utf8", maxBuffer: 1 << 26 });
      const settings = found.stdout.trim().split("\n");
      expect(settings.length).toBeGreaterThan(500);
      const { records } = launch(workspace, workspace.plan(), ["files", ...settings], options);
      expect(records.filter((record) => record["write"] === "OK").map((record) => record["path"])).toEqual([]);
    });

    test("launch() mounts everything without set-user-id and shows no path of the host", () => {
      const { stdout, records } = launch(workspace, workspace.plan(), ["mounts"], options);
      const targets = records.map((record) => record["target"]);
      expect(targets).toEqual(expect.arrayContaining(["/", "/proc", "/dev", "/dev/null", "/dev/pts"]));
      for (const record of records.filter((one) => one["type"] !== "devtmpfs")) {
        expect(String(record["options"])).toContain("nosuid");
      }
      for (const record of records.filter((one) => String(one["target"]).startsWith("/proc/"))) {
        expect(String(record["options"]).split(",")).toContain("ro");
      }
      expect(stdout).not.toContain(workspace.path);
    });

    test("launch() gives a /dev with the usual devices, terminals and shared memory", () => {
      const names = ["null", "zero", "full", "random", "urandom", "tty", "fd", "stdin", "stdout", "stderr"];
      const { records } = launch(workspace, workspace.plan(), ["files", "/dev", "/dev/null", "/dev/shm"], options);
      expect(records[0]?.["entries"]).toEqual(expect.arrayContaining([...names, "core", "ptmx", "pts", "shm"]));
      expect(records[1]).toMatchObject({ kind: "character", write: "OK" });
      expect(records[2]).toMatchObject({ mode: 0o1777, write: "OK" });
    });

    test("launch() leaves no way to further user namespaces, with or without a filter", () => {
      const record = firstRecord(launch(workspace, workspace.plan(), ["syscalls"], options));
      expect(record["results"]).toMatchObject({
        unshare_user: "ENOSPC",
        clone_user: "ENOSPC",
        clone3: "ENOSPC",
        unshare_mount: "EPERM",
        fsopen: "EPERM",
        open_tree: "EFAULT",
      });
    });

    test("launch() leaves no way to further user namespaces where the plan has no /proc", () => {
      const plan = workspace.plan({ mounts: [] });
      const record = firstRecord(launch(workspace, plan, ["syscalls"], options));
      expect(record["results"]).toMatchObject({ unshare_user: "ENOSPC" });
    });

    test("launch() keeps the init's files, memory and root from the app", () => {
      const paths = ["/proc/1/fd", "/proc/1/environ", "/proc/1/root", "/proc/1/exe"];
      const { records } = launch(workspace, workspace.plan(), ["files", ...paths], options);
      expect(records[0]?.["entries"] ?? []).toEqual([]);
      expect(records[1]).toMatchObject({ read: "EACCES" });
      for (const link of records.slice(2)) {
        expect(link["kind"]).toBe("symlink");
        expect(link["to"]).toBeUndefined();
      }
    });

    test("launch() keeps the kernel's settings from being changed", () => {
      const paths = ["/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/sys/user/max_user_namespaces"];
      const { records } = launch(workspace, workspace.plan(), ["files", ...paths], options);
      for (const record of records) expect(record["write"]).not.toBe("OK");
    });

    test("launch() with a network namespace has only a working loopback", async () => {
      const server = createServer();
      await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
      const address = server.address();
      const port = typeof address === "object" && address !== null ? String(address.port) : "";
      const own = firstRecord(launch(workspace, workspace.plan(), ["network", port], options));
      expect(own).toMatchObject({ interfaces: ["lo"], connect: "ECONNREFUSED" });
      const shared = workspace.plan({ namespaces: { network: false, ipc: true } });
      expect(firstRecord(launch(workspace, shared, ["network", port], options))).toMatchObject({ connect: "OK" });
      server.close();
    });

    test("launch() binds folders and files, making the mount points inside a tmpfs of the plan", () => {
      const data = workspace.folder(`data-${user}`, user);
      const file = workspace.file(`file-${user}`, "inside\n", user);
      const plan = workspace.plan({}, [
        bind(data, "/data", { readOnly: false }),
        bind(data, "/run/deep/er/data"),
        bind(file, "/run/deep/file"),
        bind(file, "/etc/empty"),
      ]);
      const { records, stderr } = launch(
        workspace,
        plan,
        ["files", "/data", "/run/deep/er/data", "/run/deep/file", "/etc/empty"],
        options,
      );
      expect(stderr).toBe("");
      expect(records[0]).toMatchObject({ kind: "directory", write: "OK" });
      expect(records[1]).toMatchObject({ kind: "directory", write: "EROFS" });
      expect(records[2]).toMatchObject({ kind: "file", content: "inside\n", write: "EROFS" });
      expect(records[3]).toMatchObject({ content: "inside\n" });
    });

    test("launch() makes folders, links and files in a tmpfs and seals it", () => {
      const plan = workspace.plan({}, [
        { kind: "directory", target: "/run/user", mode: 0o700 },
        { kind: "symlink", target: "/run/link", to: "user/x" },
        { kind: "file", target: "/run/info", mode: 0o640, data: Buffer.from("[Application]\n") },
        { kind: "tmpfs", target: "/run/user", mode: 0o711, size: 65_536 },
        { kind: "seal", target: "/run" },
      ]);
      const paths = ["/run", "/run/user", "/run/link", "/run/info"];
      const { records, stderr } = launch(workspace, plan, ["files", ...paths], options);
      expect(stderr).toBe("");
      expect(records[0]).toMatchObject({ write: "EROFS", mode: 0o755 });
      expect(records[1]).toMatchObject({ write: "OK", mode: 0o711 });
      expect(records[2]).toMatchObject({ kind: "symlink" });
      expect(records[3]).toMatchObject({ content: "[Application]\n", mode: 0o640, write: "EROFS" });
    });
  });
}

test("launch() leaves out an optional bind whose source is missing, and refuses another", () => {
  const missing = workspace.join("missing");
  const optional = launch(workspace, workspace.plan({}, [bind(missing, "/run/m", { optional: true })]), ["id"]);
  expect(optional.code).toBe(0);
  const required = launch(workspace, workspace.plan({}, [bind(missing, "/run/m")]), ["id"]);
  expect(required.code).toBe(1);
  expect(required.stderr).toBe(`error: Cannot open ${missing}: No such file or directory\n`);
});

test("launch() refuses a link anywhere in a source that must have none, also where it is optional", () => {
  workspace.folder("app");
  workspace.folder("secret/inner");
  symlinkSync(workspace.join("secret"), workspace.join("app/link"));
  for (const path of ["app/link", "app/link/inner"]) {
    const source = workspace.join(path);
    const plan = workspace.plan({}, [bind(source, "/run/m", { noSymlinks: true, optional: true })]);
    const outcome = launch(workspace, plan, ["id"]);
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toContain(`Cannot open ${source}: Too many levels of symbolic links`);
    expect(launch(workspace, workspace.plan({}, [bind(source, "/run/m")]), ["id"]).code).toBe(0);
  }
});

test("launch() never mounts through a link that lies in an earlier bind", () => {
  const victim = workspace.folder("victim");
  const evil = workspace.folder("evil");
  symlinkSync("/etc", workspace.join("evil/out"));
  const plan = workspace.plan({}, [bind(evil, "/data", { readOnly: false }), bind(victim, "/data/out")]);
  const outcome = launch(workspace, plan, ["id"]);
  expect(outcome.code).toBe(1);
  expect(outcome.stderr).toContain("Cannot make the mount point /data/out: Too many levels of symbolic links");
});

test("launch() makes no mount point outside the plan's own tmpfs", () => {
  const source = workspace.folder("source");
  const shared = workspace.folder("shared");
  for (const target of ["/nowhere", "/data/new"]) {
    const plan = workspace.plan({}, [bind(shared, "/data", { readOnly: false }), bind(source, target)]);
    const outcome = launch(workspace, plan, ["id"]);
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toContain(`Cannot make the mount point ${target}: No such file or directory`);
  }
});

test("launch() says which folder of the root is missing", () => {
  const lowers = [workspace.join("config"), workspace.join("gone")];
  const outcome = launch(workspace, workspace.plan({ lowers }), ["id"]);
  expect(outcome.code).toBe(1);
  expect(outcome.stderr).toContain(`Cannot open the root's folder ${workspace.join("gone")}: No such file`);
  expect(outcome.stderr).toContain("hint: ");
});

test("launch() stacks sixteen folders, the first one uppermost", () => {
  const layers = Array.from({ length: 14 }, (_, index) => {
    const folder = workspace.folder(`layer-${index}`);
    workspace.file(`layer-${index}/name`, `layer ${index}`);
    return folder;
  });
  const lowers = [workspace.join("config"), ...layers, workspace.join("image")];
  const outcome = launch(workspace, workspace.plan({ lowers }), ["files", "/name"]);
  expect(firstRecord(outcome)["content"]).toBe("layer 0");
});

test("launch() takes its own ipc and network namespaces only where the plan says so", () => {
  const links = ["/proc/self/ns/ipc", "/proc/self/ns/net", "/proc/self/ns/mnt"];
  const host = links.map((link) => readlinkSync(link));
  const isShared = (own: boolean) => {
    const plan = workspace.plan({ namespaces: { network: own, ipc: own } });
    const { records } = launch(workspace, plan, ["files", ...links]);
    return records.map((record, index) => record["to"] === host[index]);
  };
  expect(isShared(false)).toEqual([true, true, false]);
  expect(isShared(true)).toEqual([false, false, false]);
});

test("launch() leaves the host's mounts alone", () => {
  const before = readFileSync("/proc/self/mountinfo", "utf8");
  expect(launch(workspace, workspace.plan({}, [bind("/", "/data")]), ["id"]).code).toBe(0);
  expect(readFileSync("/proc/self/mountinfo", "utf8")).toBe(before);
});
