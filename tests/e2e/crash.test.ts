// SPDX-License-Identifier: Apache-2.0
import { afterAll, describe, expect, test } from "bun:test";
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { dowelPath, makeLayout, Sandpit } from "./support.ts";

const id = "org.example.Probe";

/**
 * Every call that changes names. A process that dies leaves what it has written, so dying before an fsync leaves the same
 * as dying before the rename that follows it; what a power cut leaves is another test.
 */
const steps = "rename,renameat,renameat2,link,linkat,unlink,unlinkat,symlink,symlinkat,mkdir,mkdirat,rmdir,syncfs";

interface Finding {
  readonly kind: string;
  readonly what: string;
  readonly path: string;
}

/** An installation that is put back to a state before every trial. */
class Trial implements Disposable {
  readonly pit = new Sandpit();
  readonly shownAs: "composefs" | "checkout";

  constructor(shownAs: "composefs" | "checkout") {
    this.shownAs = shownAs;
    for (const [name, text] of [
      ["one", "one\n"],
      ["two", "two\n".repeat(100)],
    ] as const) {
      mkdirSync(this.pit.path(name));
      makeLayout(this.pit.path(name), { text });
    }
    this.pit.succeed(["remote-add", "--user", "apps", `oci:${this.pit.path("images")}`]);
    // What others may write to is never mounted.
    if (shownAs === "checkout") chmodSync(this.store, 0o775);
    this.publish("one");
    this.pit.succeed(["install", "--user", "-y", "apps", "org.example.Platform"]);
    this.save("runtime");
    this.pit.succeed(["install", "--user", "-y", "apps", id]);
    this.save("app");
  }

  get store(): string {
    return this.pit.path("home/.local/share/dowel");
  }

  publish(version: "one" | "two"): void {
    rmSync(this.pit.path("images"), { recursive: true, force: true });
    execFileSync("cp", ["-a", this.pit.path(version, "layout"), this.pit.path("images")]);
  }

  save(name: string): void {
    execFileSync("cp", ["-a", this.store, this.pit.path(`saved-${name}`)]);
  }

  restore(name: string): void {
    this.unmount();
    if (existsSync(this.store)) renameSync(this.store, this.pit.path("old"));
    rmSync(this.pit.path("old"), { recursive: true, force: true });
    execFileSync("cp", ["-a", this.pit.path(`saved-${name}`), this.store]);
    if (this.shownAs === "composefs") this.pit.succeed(["plumbing", "mount", "--user"]);
  }

  /** How often each step is done, by name, in order of the names. */
  count(words: readonly string[]): (readonly [step: string, times: number])[] {
    const log = this.pit.path("log");
    const options = ["-qq", "-e", `trace=${steps}`, "-o", log];
    execFileSync("strace", [...options, dowelPath, ...words], { env: this.pit.environment, stdio: "ignore" });
    const counts = new Map<string, number>();
    for (const [, name = ""] of readFileSync(log, "utf8").matchAll(/^([a-z0-9]+)\(/gm)) {
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    return [...counts].sort();
  }

  /** Runs the program and kills it before it does a step for the nth time. Answers whether it came so far. */
  killAt(words: readonly string[], step: string, times: number): boolean {
    const inject = `inject=${step}:signal=KILL:when=${times}`;
    const options = ["-qq", "-e", `trace=${step}`, "-e", inject, "-o", "/dev/null"];
    const { signal } = spawnSync("strace", [...options, dowelPath, ...words], {
      env: this.pit.environment,
      stdio: "ignore",
    });
    return signal === "SIGKILL";
  }

  findings(): Finding[] {
    const { status, stdout, stderr } = this.pit.dowel(["repair", "--user", "--dry-run", "--json"]);
    if (status === 0) return JSON.parse(stdout) as Finding[];
    throw new Error(`repair finds what a user would miss: ${stdout}\n${stderr}`);
  }

  /** The text that the installed version of the app has; undefined where it is not installed. */
  installed(): string | undefined {
    if (!this.pit.succeed(["list", "--user", "--columns=application"]).includes(id)) return undefined;
    return readFileSync(`${this.store}/app/${id}/current/active/files/share/text`, "utf8").slice(0, 3);
  }

  unmount(): void {
    for (const line of readFileSync("/proc/self/mountinfo", "utf8").split("\n")) {
      const target = line.split(" ")[4] ?? "";
      if (target.startsWith("/run/dowel/images/") && line.includes(this.pit.folder))
        spawnSync("umount", ["-l", target]);
    }
  }

  [Symbol.dispose](): void {
    this.unmount();
    this.pit[Symbol.dispose]();
  }
}

const operations = [
  {
    name: "install",
    words: ["install", "--user", "-y", "--or-update", "apps", id],
    from: "runtime",
    before: undefined,
    after: "one",
  },
  { name: "update", words: ["update", "--user", "-y", id], from: "app", before: "one", after: "two" },
  { name: "uninstall", words: ["uninstall", "--user", "-y", id], from: "app", before: "one", after: undefined },
] as const;

for (const shownAs of ["composefs", "checkout"] as const) {
  describe(`a program that is killed at any step, images shown by ${shownAs}`, () => {
    const trial = new Trial(shownAs);
    afterAll(() => trial[Symbol.dispose]());

    for (const { name, words, from, before, after } of operations) {
      test(`${name} leaves the old state or the new one, and can be repeated`, () => {
        trial.publish(name === "update" ? "two" : "one");
        trial.restore(from);
        const counts = trial.count(words);
        expect(trial.installed()).toBe(after);
        let killed = 0;
        for (const [step, total] of counts) {
          for (let times = 1; times <= total; times++) {
            trial.restore(from);
            if (!trial.killAt(words, step, times)) continue;
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
