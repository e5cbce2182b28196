// SPDX-License-Identifier: Apache-2.0
import { afterAll, describe, expect, test } from "bun:test";
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dowelPath } from "./support.ts";
import { operations, Trial } from "./trial.ts";

/**
 * Every call that changes names. A process that dies leaves what it has written, so dying before an fsync leaves the same
 * as dying before the rename that follows it; what a power cut leaves is another test.
 */
const steps = "rename,renameat,renameat2,link,linkat,unlink,unlinkat,symlink,symlinkat,mkdir,mkdirat,rmdir,syncfs";

/** How often each step is done, by name, in order of the names. */
function count({ pit }: Trial, words: readonly string[]): (readonly [step: string, times: number])[] {
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
function killAt({ pit }: Trial, words: readonly string[], step: string, times: number): boolean {
  const inject = `inject=${step}:signal=KILL:when=${times}`;
  const options = ["-qq", "-e", `trace=${step}`, "-e", inject, "-o", "/dev/null"];
  const { signal } = spawnSync("strace", [...options, dowelPath, ...words], {
    env: pit.environment,
    stdio: "ignore",
  });
  return signal === "SIGKILL";
}

for (const shownAs of ["composefs", "checkout"] as const) {
  describe(`a program that is killed at any step, images shown by ${shownAs}`, () => {
    const trial = new Trial(shownAs);
    afterAll(() => trial[Symbol.dispose]());

    for (const { name, words, from, before, after } of operations) {
      test(`${name} leaves the old state or the new one, and can be repeated`, () => {
        trial.publish(name === "update" ? "two" : "one");
        trial.restore(from);
        const counts = count(trial, words);
        expect(trial.installed()).toBe(after);
        let killed = 0;
        for (const [step, total] of counts) {
          for (let times = 1; times <= total; times++) {
            trial.restore(from);
            if (!killAt(trial, words, step, times)) continue;
            killed += 1;
            const where = `killed before ${step} number ${times} of ${total}`;
            const state = trial.installed();
            expect([before, after], where).toContain(state);
            trial.findings();
            if (name !== "uninstall" || state !== undefined) trial.pit.succeed(words);
            expect(trial.installed(), where).toBe(after);
            trial.findings();
          }
        }
        expect(killed).toBeGreaterThan(10);
      });
    }
  });
}
