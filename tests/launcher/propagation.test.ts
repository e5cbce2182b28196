// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { buildLauncher, start, Workspace } from "./support.ts";

let workspace: Workspace;
let shared: string;

beforeAll(() => {
  buildLauncher();
  workspace = new Workspace();
  shared = workspace.folder("shared");
  execFileSync("mount", ["-t", "tmpfs", "none", shared]);
  execFileSync("mount", ["--make-shared", shared]);
});
afterAll(() => {
  execFileSync("umount", ["-R", shared]);
  workspace[Symbol.dispose]();
});

function mountPoints(process: number): string[] {
  const lines = readFileSync(`/proc/${process}/mountinfo`, "utf8").trim().split("\n");
  return lines.map((line) => line.split(" ")[4] ?? "");
}

test("launch() shows mounts that the host makes later below a writable bind, never below a read-only one", async () => {
  const flags = { recursive: true, devices: false, noSymlinks: false, optional: false } as const;
  const plan = workspace.plan({}, [
    { kind: "bind", source: shared, target: "/run/rw", readOnly: false, ...flags },
    { kind: "bind", source: shared, target: "/run/ro", readOnly: true, ...flags },
  ]);
  const { child, exited, line } = start(workspace, plan, ["wait"]);
  await line();
  workspace.folder("shared/stick");
  execFileSync("mount", ["-t", "tmpfs", "none", `${shared}/stick`]);
  const [init] = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").trim().split(" ");
  const seen = mountPoints(Number(init));
  child.kill("SIGTERM");
  await exited;
  expect(seen).toContain("/run/rw/stick");
  expect(seen).not.toContain("/run/ro/stick");
});

test("launch() makes no mount that the host sees", async () => {
  const before = mountPoints(process.pid);
  const flags = { readOnly: false, recursive: true, devices: false, noSymlinks: false, optional: false } as const;
  const plan = workspace.plan({}, [
    { kind: "bind", source: shared, target: "/data", ...flags },
    { kind: "tmpfs", target: "/data", mode: 0o755, size: 0 },
  ]);
  const { child, exited, line } = start(workspace, plan, ["wait"]);
  await line();
  expect(mountPoints(process.pid)).toEqual(before);
  child.kill("SIGTERM");
  await exited;
});
