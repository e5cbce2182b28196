// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { mountPoint } from "../../src/store/shown.ts";
import { listMounts, unmount } from "../../src/sys/mounts.ts";
import { makeLayout, Sandpit } from "./support.ts";

const id = "org.example.Probe";

export interface Finding {
  readonly kind: string;
  readonly what: string;
  readonly path: string;
}

/** An installation that is put back to a state before every trial. */
export class Trial implements Disposable {
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
    if (!existsSync(this.store)) mkdirSync(this.store);
    execFileSync("find", [this.store, "-mindepth", "1", "-delete"]);
    execFileSync("cp", ["-a", `${this.pit.path(`saved-${name}`)}/.`, this.store]);
    if (this.shownAs === "composefs") this.pit.succeed(["plumbing", "mount", "--user"]);
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
    const mounts = dirname(mountPoint(this.store, "any"));
    for (const { target } of listMounts()) if (target.startsWith(`${mounts}/`)) unmount(target);
  }

  [Symbol.dispose](): void {
    this.unmount();
    this.pit[Symbol.dispose]();
  }
}

/** What is tried: a state to begin with, the command, and the text that the app must have before and after. */
export interface Operation {
  readonly name: "install" | "update" | "uninstall";
  readonly words: readonly string[];
  readonly from: "runtime" | "app";
  readonly before: string | undefined;
  readonly after: string | undefined;
}

export const operations: readonly Operation[] = [
  {
    name: "install",
    words: ["install", "--user", "-y", "--or-update", "apps", id],
    from: "runtime",
    before: undefined,
    after: "one",
  },
  { name: "update", words: ["update", "--user", "-y", id], from: "app", before: "one", after: "two" },
  { name: "uninstall", words: ["uninstall", "--user", "-y", id], from: "app", before: "one", after: undefined },
];
