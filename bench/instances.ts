// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from "node:child_process";
import { installBoth } from "./installed.ts";
import { execute, type Line, limit, measureInTurn } from "./measure.ts";
import { appId, dowel, dowelCommand, environment } from "./places.ts";

const count = 100;

function startOne(): ChildProcess {
  const words = ["run", "--command=sleep", appId, "600"];
  return spawn(dowel, words, { stdio: "ignore", env: { ...process.env, ...environment } });
}

function listed(): number {
  const { stdout } = Bun.spawnSync([dowel, "ps", "--json"], { env: { ...process.env, ...environment } });
  return (JSON.parse(stdout.toString()) as unknown[]).length;
}

/** `dowel ps` while a hundred sandboxes run, and what it costs when none does. */
export async function benchInstances(): Promise<Line[]> {
  await installBoth();
  const none = dowelCommand("ps", "--json");
  execute(dowelCommand("run", "--command=true", appId));
  const [before] = measureInTurn([none], 15);
  const children: ChildProcess[] = [];
  try {
    for (let at = 0; at < count; at++) children.push(startOne());
    while (listed() < count) await Bun.sleep(50);
    const [busy] = measureInTurn([none], 25);
    if (!before || !busy) throw new Error("unreachable");
    const idle = `none running ${before.wall.toFixed(1)} ms`;
    return [{ ...limit(`dowel ps, ${count} running`, busy.wall, "ms", 50), peer: idle }];
  } finally {
    const ended = children.map((child) => new Promise((done) => child.once("exit", done)));
    for (const child of children) child.kill("SIGKILL");
    await Promise.all(ended);
  }
}
