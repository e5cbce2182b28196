// SPDX-License-Identifier: Apache-2.0
// Sandboxes inside a sandbox whose plan allows namespaces.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { execFileSync, spawnSync } from "node:child_process";
import { closeSync, copyFileSync, openSync } from "node:fs";
import { basename, join } from "node:path";
import { encodePlan, type MountOperation, type NamespaceBounds, type Plan } from "../../src/sandbox/plan/index.ts";
import { buildFilter } from "../../src/sandbox/seccomp/filter.ts";
import { buildLauncher, firstRecord, launch, launcher, ordinaryUser, Workspace } from "./support.ts";

let workspace: Workspace;
beforeAll(() => {
  buildLauncher();
  workspace = new Workspace();
  copyFileSync(launcher, workspace.join("image/bin/dowel-launch"));
});
afterAll(() => workspace[Symbol.dispose]());

const user = ordinaryUser;
const bounds: NamespaceBounds = { user: 5, pid: 4, mount: 4, ipc: 4, uts: 4, network: 4, cgroup: 4, time: 0 };
const arch = process.arch === "arm64" ? "aarch64" : "x86_64";
const filter = (userns: boolean) =>
  buildFilter({ arch, devel: false, multiarch: false, bluetooth: false, canbus: false, userns });

/** The workspace shows at its own place, so that an inner plan can name its folders. */
function outer(changes: Partial<Plan> = {}): Plan {
  const show: MountOperation[] = [
    { kind: "tmpfs", target: "/tmp", mode: 0o1777, size: 0 },
    {
      kind: "bind",
      source: workspace.path,
      target: workspace.path,
      readOnly: true,
      recursive: true,
      devices: false,
      noSymlinks: false,
      optional: false,
    },
  ];
  return workspace.plan({ nested: bounds, seccomp: filter(true), command: ["dowel-launch"], ...changes }, show);
}

/** Runs the launcher in a sandbox on an inner plan, which comes by its standard input. */
function launchInside(plan: Plan, words: readonly string[], outerPlan: Plan = outer()) {
  const inner = openSync(workspace.file("inner", encodePlan(plan), user), "r");
  const plans = openSync(workspace.file("outer", encodePlan(outerPlan), user), "r");
  const { status, stdout, stderr } = spawnSync(launcher, ["3", "0", ...words], {
    argv0: "dowel-launch",
    stdio: [inner, "pipe", "pipe", plans],
    uid: user,
    gid: user,
    encoding: "utf8",
  });
  for (const fd of [inner, plans]) closeSync(fd);
  return { status, stdout, stderr };
}

test("launch() allows user namespaces up to the plan's number, and no way to raise it", () => {
  const plan = outer({ command: ["/bin/probe"] });
  expect(firstRecord(launch(workspace, plan, ["nest"], { user }))).toMatchObject({
    made: bounds.user,
    error: "ENOSPC",
  });
  expect(firstRecord(launch(workspace, plan, ["nest"]))).toMatchObject({ made: bounds.user, error: "ENOSPC" });
  const path = "/proc/sys/user/max_user_namespaces";
  const record = firstRecord(launch(workspace, plan, ["files", path], { user }));
  expect(record).toMatchObject({ content: `${bounds.user}\n`, write: "EACCES" });
  const none = outer({ command: ["/bin/probe"], nested: undefined, seccomp: filter(false) });
  expect(firstRecord(launch(workspace, none, ["nest"], { user }))).toMatchObject({ made: 0, error: "EPERM" });
});

test("launch() works inside launch()", () => {
  const { status, stdout, stderr } = launchInside(workspace.plan(), ["id"]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(JSON.parse(stdout)).toMatchObject({ uid: user, pid: 2, NoNewPrivs: "1", Seccomp: "2" });
  expect(launchInside(workspace.plan(), ["exit", "42"]).status).toBe(42);
  expect(launchInside(workspace.plan(), ["nest"]).stdout).toContain('"made":0');
});

test("launch() inside launch() says what is missing where the outer plan allows no namespaces", () => {
  const { status, stderr } = launchInside(workspace.plan(), ["id"], outer({ nested: undefined }));
  expect(status).toBe(1);
  expect(stderr).toContain("Cannot create the namespaces: No space left on device");
  expect(stderr).toContain("hint: ");
});

test("bubblewrap works inside launch(), with a /proc of its own", () => {
  const folder = workspace.folder("bubblewrap");
  const libraries = execFileSync("ldd", ["/usr/bin/bwrap"], { encoding: "utf8" }).match(/\/\S+/g) ?? [];
  for (const path of ["/usr/bin/bwrap", ...libraries]) copyFileSync(path, join(folder, basename(path)));
  const loader = libraries.find((path) => basename(path).startsWith("ld-linux")) ?? "";
  const command = [join(folder, basename(loader)), "--library-path", folder, join(folder, "bwrap")];
  const words = ["--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--unshare-all", "/bin/probe", "id"];
  const outcome = launch(workspace, outer({ command }), words, { user });
  expect(outcome.stderr).toBe("");
  expect(firstRecord(outcome)).toMatchObject({ uid: user, CapEff: "0000000000000000", NoNewPrivs: "1" });
});

test("launch() as root lets no sandbox inside have root's id, with which the kernel's settings could be written", () => {
  const folder = workspace.folder("bubblewrap");
  const loader = `ld-linux-${arch === "x86_64" ? "x86-64.so.2" : "aarch64.so.1"}`;
  const plan = outer({ command: [join(folder, loader), "--library-path", folder, join(folder, "bwrap")] });
  const { code, stderr } = launch(workspace, plan, ["--ro-bind", "/", "/", "--unshare-all", "/bin/probe", "id"]);
  expect({ code, stderr }).toEqual({ code: 1, stderr: "bwrap: setting up uid map: Operation not permitted\n" });
});
