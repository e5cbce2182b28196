// SPDX-License-Identifier: Apache-2.0
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dowelPath } from "./support.ts";
import type { Trial } from "./trial.ts";

/** Every wait for the disk, and every rename, since what a rename shows must be on the disk before it. */
export const durableSteps = "fsync,fdatasync,syncfs,rename,renameat,renameat2";

/** How often each step is done, by name, in order of the names. */
export function countSteps(
  { pit }: Trial,
  words: readonly string[],
  steps: string,
): (readonly [step: string, times: number])[] {
  const log = pit.path("log");
  const options = ["-qq", "-e", `trace=${steps}`, "-o", log];
  execFileSync("strace", [...options, dowelPath, ...words], { env: pit.environment, stdio: "ignore" });
  const counts = new Map<string, number>();
  for (const [, name = ""] of readFileSync(log, "utf8").matchAll(/^([a-z0-9]+)\(/gm)) {
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts].sort();
}

/** Runs the program and kills it before it does a step for the nth time. Answers whether it came so far. */
export function killAt({ pit }: Trial, words: readonly string[], step: string, times: number): boolean {
  const inject = `inject=${step}:signal=KILL:when=${times}`;
  const options = ["-qq", "-e", `trace=${step}`, "-e", inject, "-o", "/dev/null"];
  const { signal } = spawnSync("strace", [...options, dowelPath, ...words], {
    env: pit.environment,
    stdio: "ignore",
  });
  return signal === "SIGKILL";
}
