// SPDX-License-Identifier: Apache-2.0
// What a warm start asks of the kernel, counted, so that a change that makes it ask for more is seen.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { dowelPath, makeLayout, ordinaryUser, runtimeRef, Sandpit } from "../e2e/support.ts";
import { addImage } from "../support/layout.ts";

const id = "org.example.Probe";
let pit: Sandpit;

beforeAll(() => {
  pit = new Sandpit(ordinaryUser);
  const layout = makeLayout(pit.path("images"));
  pit.own(pit.path("images"));
  pit.own(pit.path("home"));
  pit.succeed(["install", "--user", "-y", `oci:${layout}`, id]);
  pit.succeed(["run", id, "exit", "0"]);
});
afterAll(() => pit[Symbol.dispose]());

/** The probe with an extension point, and ten extensions for it. */
function installExtended(): string {
  const extended = "org.example.Extended";
  const [, , arch = ""] = runtimeRef.split("/");
  const layout = pit.path("images/layout");
  const tree = pit.path("images/tree-extended");
  mkdirSync(join(tree, "files/bin"), { recursive: true });
  copyFileSync(resolve("build/bin/probe"), join(tree, "files/bin/probe"));
  const metadata = `[Application]\nname=${extended}\nruntime=${runtimeRef.slice("runtime/".length)}\ncommand=probe\n\n[Extension ${extended}.Plugin]\ndirectory=lib/plugins\nversion=1\nsubdirectories=true\n`;
  writeFileSync(join(tree, "metadata"), metadata);
  addImage(layout, { ref: `app/${extended}/${arch}/stable`, metadata, tree });
  const refs = Array.from({ length: 10 }, (_, index) => {
    const name = `${extended}.Plugin.p${index}`;
    const ref = `runtime/${name}/${arch}/1`;
    const folder = pit.path(`images/tree-${name}`);
    mkdirSync(join(folder, "files"), { recursive: true });
    writeFileSync(join(folder, "files/name"), name);
    writeFileSync(join(folder, "metadata"), `[Runtime]\nname=${name}\n`);
    addImage(layout, { ref, metadata: `[Runtime]\nname=${name}\n`, tree: folder });
    return ref;
  });
  pit.own(pit.path("images"));
  pit.succeed(["install", "--user", "-y", `oci:${layout}`, extended, ...refs]);
  return extended;
}

/** The system calls of a warm start up to the app's own first one, as strace(1) prints them. */
function traceStart(app = id): string[] {
  const file = pit.path("work/trace");
  // Traced by root, since the launcher lets no process of its own user look into it.
  const user = ["setpriv", `--reuid=${ordinaryUser}`, `--regid=${ordinaryUser}`, "--clear-groups"];
  const words = ["-f", "-s", "4096", "-o", file, ...user, dowelPath, "run", app, "exit", "0"];
  const { status, stderr } = spawnSync("strace", words, {
    env: pit.environment,
    encoding: "utf8",
    cwd: pit.path("work"),
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  const lines = readFileSync(file, "utf8").split("\n");
  const begin = lines.findIndex((line) => line.includes(`execve("${dowelPath}"`));
  const end = lines.findIndex((line) => line.includes('execve("/app/bin/probe"'));
  expect(begin).toBeGreaterThan(0);
  expect(end).toBeGreaterThan(begin);
  return lines.slice(begin, end + 1).filter((line) => !line.includes("resumed>"));
}

test("a warm start takes at most 480 system calls, and opens no path of the host twice", () => {
  const calls = traceStart();
  const opened = calls.flatMap((line) => /(?:openat2?|open_tree)\(AT_FDCWD, "([^"]+)"/.exec(line)?.[1] ?? []);
  const twice = opened.filter((path, index) => opened.indexOf(path) !== index);
  // The configuration layer is held by the monitor, and opened once more in the mount namespace that shows it.
  expect(twice).toEqual([expect.stringContaining("/dowel/layers/")]);
  expect(calls.length).toBeLessThanOrEqual(480);
});

test("ten extensions add at most 75 system calls to a warm start", () => {
  const extended = installExtended();
  pit.succeed(["run", extended, "exit", "0"]);
  const [without, withTen] = [traceStart().length, traceStart(extended).length];
  expect(withTen - without).toBeGreaterThan(40);
  expect(withTen - without).toBeLessThanOrEqual(75);
});

test("a start by a warm plan runs no other program than the app", () => {
  const programs = traceStart().flatMap((line) => /execve\("([^"]+)"/.exec(line)?.[1] ?? []);
  expect(programs).toEqual([dowelPath, "/app/bin/probe"]);
});

test("run --trace prints the steps of a cold and a warm start, and nothing of the app's own words", () => {
  for (const kind of ["cold", "warm"]) {
    const { status, stderr, stdout } = pit.dowel(["run", "--trace", id, "args", "--trace"]);
    expect({ kind, status, stdout }).toEqual({ kind, status: 0, stdout: '{"verb":"args","words":["--trace"]}\n' });
    const lines = stderr.trim().split("\n");
    for (const line of lines) expect(line).toMatch(/^trace: [0-9]+ us {2}\+[0-9]+ {2}\S/);
    for (const step of ["read the plan", "create the namespaces", "mount /proc", "install the system call filter"]) {
      expect(lines.filter((line) => line.includes(`  ${step}`))).toHaveLength(1);
    }
    expect(lines.some((line) => line.includes("check what it depends on"))).toBe(kind === "warm");
  }
  expect(pit.dowel(["run", id, "args", "--trace"]).stderr).toBe("");
});

test("a start without user namespaces says that they are off, and how to switch them on", () => {
  // Inside a user namespace of its own root the limit is that namespace's.
  const script = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$0" "$@"';
  const words = ["--user", "--map-root-user", "sh", "-c", script, dowelPath, "run", id, "exit", "0"];
  const { status, stderr } = spawnSync("unshare", words, { env: pit.environment, encoding: "utf8", cwd: "/" });
  expect(status).toBe(1);
  expect(stderr).toContain("create the namespaces");
  expect(stderr).toContain("sysctl -w user.max_user_namespaces=");
});
