// SPDX-License-Identifier: Apache-2.0
// The launcher as `dowel-keep`, which brings Dowel's program back; a script stands where the program lies.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildLauncher, launcher, Workspace } from "./support.ts";

let workspace: Workspace;
beforeAll(() => {
  buildLauncher();
  workspace = new Workspace();
  for (const folder of ["bin", "lib/dowel"]) mkdirSync(workspace.join(folder), { recursive: true });
  copyFileSync(launcher, workspace.join("bin/dowel"));
});
afterAll(() => workspace[Symbol.dispose]());

/** How the keeper ends, and how often the program was started. */
function keep(script: string) {
  const starts = workspace.join("starts");
  rmSync(starts, { force: true });
  const body = `#!/bin/sh\necho "$@" >>${starts}\nstarts=$(wc -l <${starts})\n${script}\n`;
  writeFileSync(workspace.join("lib/dowel/dowel-program"), body, { mode: 0o755 });
  const { status } = spawnSync(join(workspace.path, "bin/dowel"), ["session", "serve"], { argv0: "dowel-keep" });
  return { status, starts: readFileSync(starts, "utf8").split("\n").slice(0, -1) };
}

test("keep_run() starts the program with its words, and ends as it ends", () => {
  expect(keep("exit 3")).toEqual({ status: 3, starts: ["session serve"] });
});

test("keep_run() starts it again when it is killed or crashes, and lets it write to nobody", () => {
  const script = "[ $starts = 1 ] && kill -KILL $$; [ $starts = 2 ] && kill -SEGV $$; echo words || exit 9; exit 0";
  expect(keep(script)).toMatchObject({ status: 0, starts: { length: 3 } });
});

test("keep_run() takes a signal to end as an end, and gives up where it does not live", () => {
  expect(keep("kill -TERM $$")).toMatchObject({ status: 0, starts: { length: 1 } });
  expect(keep("kill -KILL $$")).toMatchObject({ status: 1, starts: { length: 5 } });
});
