// SPDX-License-Identifier: Apache-2.0
import { afterAll, describe, expect, test } from "bun:test";
import { countSteps, killAt } from "./steps.ts";
import { operations, Trial } from "./trial.ts";

/**
 * Every call that changes names. A process that dies leaves what it has written, so dying before an fsync leaves the same
 * as dying before the rename that follows it; what a power cut leaves is another test.
 */
const steps = "rename,renameat,renameat2,link,linkat,unlink,unlinkat,symlink,symlinkat,mkdir,mkdirat,rmdir,syncfs";

for (const shownAs of ["composefs", "checkout"] as const) {
  describe(`a program that is killed at any step, images shown by ${shownAs}`, () => {
    const trial = new Trial(shownAs);
    afterAll(() => trial[Symbol.dispose]());

    for (const { name, words, from, before, after } of operations) {
      test(`${name} leaves the old state or the new one, and can be repeated`, () => {
        trial.publish(name === "update" ? "two" : "one");
        trial.restore(from);
        const counts = countSteps(trial, words, steps);
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
