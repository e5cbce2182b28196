// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { operations, Trial } from "./trial.ts";

const block = 4096;

for (const shownAs of ["composefs", "checkout"] as const) {
  describe(`a disk that is full, images shown by ${shownAs}`, () => {
    const trial = new Trial(shownAs);
    const resize = (bytes: number): void => {
      execFileSync("mount", ["-o", `remount,size=${bytes}`, trial.store]);
    };
    const used = (): number =>
      Number(execFileSync("df", ["-B1", "--output=used", trial.store], { encoding: "utf8" }).split("\n")[1]);

    beforeAll(() => {
      mkdirSync(trial.store, { recursive: true });
      const mode = shownAs === "checkout" ? "0775" : "0755";
      execFileSync("mount", ["-t", "tmpfs", "-o", `mode=${mode}`, "dowel-test", trial.store]);
    });
    afterAll(() => {
      trial.unmount();
      execFileSync("umount", ["-l", trial.store]);
      trial[Symbol.dispose]();
    });

    const usedInodes = (): number =>
      Number(execFileSync("df", ["--output=iused", trial.store], { encoding: "utf8" }).split("\n")[1]);
    const allowInodes = (count: number): void => {
      execFileSync("mount", ["-o", `remount,nr_inodes=${count}`, trial.store]);
    };

    for (const { name, words, from, before, after } of operations) {
      test(`${name} with no inode to spare fails whole, or needs none`, () => {
        trial.publish(name === "update" ? "two" : "one");
        trial.restore(from);
        allowInodes(usedInodes());
        const { status, stderr } = trial.pit.dowel(words);
        allowInodes(1 << 20);
        if (name === "uninstall") expect(stderr, stderr).not.toContain("error");
        else expect(stderr).toMatch(/^error: [^\n]*no space is left \[NO_SPACE\]$/m);
        expect(stderr).not.toMatch(/^\s+at /m);
        expect(trial.installed()).toBe(status === 0 ? after : before);
        trial.findings();
        if (status !== 0) trial.pit.succeed(words);
        expect(trial.installed()).toBe(after);
        trial.findings();
      });
    }

    for (const { name, words, from, before, after } of operations) {
      test(`${name} with one block more each time fails whole, until it succeeds`, () => {
        trial.publish(name === "update" ? "two" : "one");
        let failures = 0;
        for (let blocks = 0; ; blocks++) {
          resize(1 << 30);
          trial.restore(from);
          resize(used() + blocks * block);
          const { status, stderr } = trial.pit.dowel(words);
          const where = `with ${blocks} blocks to spare: ${stderr}`;
          if (status === 0) break;
          failures += 1;
          expect(stderr, where).toContain("no space is left");
          expect(trial.installed(), where).toBe(before);
          trial.findings();
          resize(1 << 30);
          trial.pit.succeed(words);
          expect(trial.installed(), where).toBe(after);
          trial.findings();
        }
        expect(trial.installed()).toBe(after);
        resize(1 << 30);
        trial.findings();
        // What only removes needs no space at all.
        if (name === "uninstall") expect(failures).toBe(0);
        else expect(failures).toBeGreaterThan(5);
      });
    }
  });
}
