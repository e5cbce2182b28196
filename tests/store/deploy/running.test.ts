// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { findRunning } from "../../../src/store/deploy/running.ts";
import { buildLauncher, launcher, Workspace } from "../../launcher/support.ts";

/** Half of the time for which a launcher without a sandbox counts: what other tests left ends sooner, and then this is told apart. */
const patience = 30_000;

test("findRunning() takes what keeps the session service for no launcher on its way to a sandbox", async () => {
  buildLauncher();
  using workspace = new Workspace();
  for (const folder of ["bin", "lib/dowel"]) mkdirSync(workspace.join(folder), { recursive: true });
  const command = workspace.join("bin/dowel");
  copyFileSync(launcher, command);
  writeFileSync(workspace.join("lib/dowel/dowel-program"), "#!/bin/sh\necho here\nexec cat\n", { mode: 0o755 });
  const keeper = spawn(command, ["session", "serve"], { argv0: "dowel-keep", stdio: ["pipe", "pipe", "inherit"] });
  const kept = once(keeper, "exit");
  await once(keeper.stdout, "data");
  const until = performance.now() + patience;
  while (findRunning().starting && performance.now() < until) await sleep(50);
  expect(findRunning().starting).toBe(false);
  keeper.stdin.end();
  expect(await kept).toEqual([0, null]);
});
