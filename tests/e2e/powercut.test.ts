// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { countSteps, killAt } from "./steps.ts";
import { operations, Trial } from "./trial.ts";

/** Every wait for the disk, and every rename, since what a rename shows must be on the disk before it. */
const steps = "fsync,fdatasync,syncfs,rename,renameat,renameat2";

for (const shownAs of ["composefs", "checkout"] as const) {
  describe(`a power cut at any step, images shown by ${shownAs}`, () => {
    const trial = new Trial(shownAs);
    let copies = 0;
    const image = (name: string): string => trial.pit.path(`${name}.img`);
    const unmount = (): void => {
      trial.unmount();
      // The kernel lets go of composefs mounts a little later, so this must not wait for them.
      spawnSync("umount", ["-l", trial.store]);
    };

    /** Nothing is written to the device but what is asked for: the journal of ext4 waits five minutes. */
    const mount = (name: string): void => {
      execFileSync("mount", ["-o", "loop,commit=300", image(name), trial.store]);
      if (shownAs === "composefs") trial.pit.succeed(["plumbing", "mount", "--user"]);
    };
    /** A copy under a name of its own, since the device of an earlier one may still be in use. */
    const copy = (from: string): string => {
      copies += 1;
      execFileSync("cp", ["--sparse=always", image(from), image(`copy-${copies}`)]);
      rmSync(image(`copy-${copies - 4}`), { force: true });
      return `copy-${copies}`;
    };

    beforeAll(() => {
      for (const from of ["runtime", "app"]) {
        execFileSync("truncate", ["-s", "24M", image(from)]);
        execFileSync("mkfs.ext4", ["-q", "-J", "size=4", image(from)]);
        trial.unmount();
        mkdirSync(trial.store, { recursive: true });
        execFileSync("mount", ["-o", "loop", image(from), trial.store]);
        execFileSync("rmdir", [`${trial.store}/lost+found`]);
        execFileSync("cp", ["-a", `${trial.pit.path(`saved-${from}`)}/.`, trial.store]);
        unmount();
      }
    });
    afterAll(() => {
      unmount();
      trial[Symbol.dispose]();
    });

    for (const { name, words, from, before, after } of operations) {
      test(`${name} leaves the old state or the new one, and the new one once it is done`, () => {
        trial.publish(name === "update" ? "two" : "one");
        let running = "";
        const begin = (): void => {
          unmount();
          running = copy(from);
          mount(running);
        };
        const cutThePower = (): void => {
          const left = copy(running);
          unmount();
          mount(left);
        };
        begin();
        const counts = countSteps(trial, words, steps);
        cutThePower();
        expect(trial.installed(), "cut when all is done").toBe(after);
        trial.findings();
        for (const [step, total] of counts) {
          for (let times = 1; times <= total; times++) {
            begin();
            if (!killAt(trial, words, step, times)) continue;
            cutThePower();
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
