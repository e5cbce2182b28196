// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { ext4, TrialDevice } from "./device.ts";
import { countSteps, durableSteps, killAt } from "./steps.ts";
import { operations, Trial } from "./trial.ts";

for (const shownAs of ["composefs", "checkout"] as const) {
  describe(`a power cut at any step, images shown by ${shownAs}`, () => {
    const trial = new Trial(shownAs);
    let made: TrialDevice | undefined;
    beforeAll(() => {
      made = new TrialDevice(trial, ext4, ["runtime", "app"]);
    });
    afterAll(() => {
      made?.unmount();
      trial[Symbol.dispose]();
    });

    for (const { name, words, from, before, after } of operations) {
      test(`${name} leaves the old state or the new one, and the new one once it is done`, () => {
        const device = made;
        if (device === undefined) throw new Error("no device");
        trial.publish(name === "update" ? "two" : "one");
        device.begin(from);
        const counts = countSteps(trial, words, durableSteps);
        device.cutThePower();
        expect(trial.installed(), "cut when all is done").toBe(after);
        trial.findings();
        for (const [step, total] of counts) {
          for (let times = 1; times <= total; times++) {
            device.begin(from);
            if (!killAt(trial, words, step, times)) continue;
            device.cutThePower();
            const where = `cut before ${step} number ${times} of ${total}`;
            const state = trial.installed();
            expect([before, after], where).toContain(state);
            trial.findings();
            if (name !== "uninstall" || state !== undefined) trial.pit.succeed(words);
            expect(trial.installed(), where).toBe(after);
            trial.findings();
          }
        }
      });
    }
  });
}
