// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  lstatSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { encodePlan, type Observation, type Plan, planCacheName } from "../../src/sandbox/plan/index.ts";
import { buildLauncher, launcher, ordinaryUser, Workspace } from "./support.ts";

/** An installation whose program only says how it was called, and a cache for one user. */
let workspace: Workspace;
let command: string;
let runtimeFolder: string;
let plans: string;

const key = ["run", "--command=x", "--arch", "x86_64", "org.example.App"];

beforeAll(() => {
  buildLauncher();
  workspace = new Workspace();
  workspace.folder("bin");
  workspace.folder("lib/dowel");
  command = workspace.join("bin/dowel");
  copyFileSync(launcher, command);
  chmodSync(command, 0o755);
  const program = workspace.file("lib/dowel/dowel-program", '#!/bin/sh\necho "program $0 $*"\nenv\n');
  chmodSync(program, 0o755);
  copyFileSync(command, workspace.join("bin/flatpak"));
  chmodSync(workspace.join("bin/flatpak"), 0o755);
});
afterAll(() => workspace[Symbol.dispose]());

beforeEach(() => {
  rmSync(workspace.join("runtime"), { recursive: true, force: true });
  runtimeFolder = workspace.folder("runtime", ordinaryUser, 0o700);
  workspace.folder("runtime/dowel", ordinaryUser, 0o700);
  plans = workspace.folder("runtime/dowel/plans", ordinaryUser, 0o700);
});

function savePlan(changes: Partial<Plan> = {}, name = planCacheName(key)): string {
  const path = `${plans}/${name}`;
  const bytes = encodePlan(workspace.plan({ key, command: ["/bin/probe", "args", "warm"], ...changes }));
  writeFileSync(path, bytes);
  chownSync(path, ordinaryUser, ordinaryUser);
  return path;
}

function dowel(words: readonly string[], environment: Record<string, string> = {}, program = command) {
  const result = spawnSync(program, [...words], {
    uid: ordinaryUser,
    gid: ordinaryUser,
    cwd: "/",
    env: { XDG_RUNTIME_DIR: runtimeFolder, PATH: "/usr/bin:/bin", ...environment },
    timeout: 20_000,
  });
  return { code: result.status, stdout: result.stdout.toString(), stderr: result.stderr.toString() };
}

const isWarm = (environment: Record<string, string> = {}) => dowel(key, environment).stdout.includes('"warm"');

function present(path: string): Observation {
  const status = lstatSync(path, { bigint: true });
  const { dev, ino, size, mtimeNs, ctimeNs } = status;
  const type = Number(status.mode & 0o170000n);
  return { kind: "present", path, type, device: dev, inode: ino, size, mtime: mtimeNs, ctime: ctimeNs };
}

test("dowel --version answers by itself", () => {
  expect(dowel(["--version"])).toEqual({ code: 0, stdout: "Dowel 0.1.0\n", stderr: "" });
});

test("dowel hands everything else to the program, without variables that would change it", () => {
  const scrubbed = { BUN_OPTIONS: "--preload x", BUN_BE_BUN: "1", BUN_INSPECT: "1", NODE_OPTIONS: "-r x" };
  const { stdout, code } = dowel(["--version", "--json"], { ...scrubbed, BUNDLE: "1", NODE_OPTIONSX: "1" });
  expect(code).toBe(0);
  const lines = stdout.trim().split("\n");
  expect(lines[0]).toBe(`program ${workspace.join("lib/dowel/dowel-program")} --version --json`);
  expect(lines.filter((line) => /^(BUN|NODE)/.test(line)).sort()).toEqual(["BUNDLE=1", "NODE_OPTIONSX=1"]);
});

test("dowel tells the engine how to run what ends soon and what idles for days, whatever the caller says", () => {
  const engine = (...words: string[]) => {
    const { stdout } = dowel(words, { BUN_JSC_useFTLJIT: "1", BUN_JSC_useJIT: "0" });
    return stdout.split("\n").filter((line) => line.startsWith("BUN_"));
  };
  expect(engine("update", "-y")).toEqual(["BUN_JSC_useDFGJIT=0"]);
  expect(engine("install")).toEqual(["BUN_JSC_useFTLJIT=0"]);
  expect(engine("updates")).toEqual([]);
  expect(engine("session", "serve")).toEqual(["BUN_GC_TIMER_DISABLE=1", "BUN_JSC_numberOfGCMarkers=1"]);
  expect(engine("session", "status")).toEqual([]);
});

test("dowel says what is missing where the program is not installed", () => {
  const lonely = workspace.folder("lonely/bin");
  copyFileSync(command, `${lonely}/dowel`);
  chmodSync(`${lonely}/dowel`, 0o755);
  const { code, stderr } = dowel(["list"], {}, `${lonely}/dowel`);
  expect(code).toBe(127);
  expect(stderr).toContain(`Cannot start Dowel's program ${workspace.join("lonely/lib/dowel/dowel-program")}: No such`);
});

test("dowel run takes the plan that was made for exactly these words, and appends the rest", () => {
  savePlan();
  expect(JSON.parse(dowel([...key, "--arch", "b"]).stdout)).toEqual({ verb: "args", words: ["warm", "--arch", "b"] });
  expect(JSON.parse(dowel(key, {}, workspace.join("bin/flatpak")).stdout)).toEqual({ verb: "args", words: ["warm"] });
  for (const words of [
    ["run", "--command=y", "--arch", "x86_64", "org.example.App"],
    ["run", "--command=x", "--arch", "x86_64", "org.example.Ap"],
    ["run", "--command=x", "--arch", "x86_64"],
    ["--user", ...key],
    ["list", ...key.slice(1)],
  ]) {
    expect(dowel(words).stdout).toStartWith("program ");
  }
});

test("dowel run compares the words and not only the name", () => {
  savePlan({ key: ["run", "org.example.Other"] });
  expect(isWarm()).toBe(false);
  savePlan({ key: [] });
  expect(isWarm()).toBe(false);
});

test("dowel run knows where the options end", () => {
  for (const words of [
    ["run", "org.example.App"],
    ["run", "--", "org.example.App"],
    ["run", "-d", "-p", "--sandbox", "org.example.App"],
    ["run", "--env", "A=B", "--filesystem", "home", "--env=C=D", "org.example.App"],
    ["--user", "--installation", "x", "run", "org.example.App"],
    ["run", "--share-if", "network:x", "--own-name", "a.b", "-"],
  ]) {
    savePlan({ key: words }, planCacheName(words));
    expect(JSON.parse(dowel([...words, "--more", "x"]).stdout)).toEqual({
      verb: "args",
      words: ["warm", "--more", "x"],
    });
  }
});

test("dowel run asks the program when a file that the plan depends on has changed", () => {
  const path = workspace.file("dependency", "one", ordinaryUser);
  const record = () => [present(path)];
  const changes: (() => void)[] = [
    () => writeFileSync(path, "two!"),
    () => utimesSync(path, 1, 1),
    () => chmodSync(path, 0o600),
    () => {
      writeFileSync(`${path}.new`, "one");
      renameSync(`${path}.new`, path);
    },
    () => rmSync(path),
    () => symlinkSync("/etc/hostname", path),
  ];
  for (const change of changes) {
    if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) {
      savePlan({ record: record() });
      expect(isWarm()).toBe(true);
    }
    change();
    expect(isWarm()).toBe(false);
  }
});

test("dowel run heeds only the inode of a path whose contents do not matter", () => {
  const folder = workspace.folder("busy");
  const { mtime: _, ctime: __, size: ___, ...rest } = present(folder) as Extract<Observation, { kind: "present" }>;
  savePlan({ record: [{ ...rest, kind: "inode" }] });
  workspace.file("busy/more", "x");
  expect(isWarm()).toBe(true);
  renameSync(folder, `${folder}.old`);
  workspace.folder("busy");
  expect(isWarm()).toBe(false);
});

test("dowel run asks the program when something absent has appeared", () => {
  const paths = [workspace.join("appears"), workspace.join("bin/dowel/below-a-file")];
  savePlan({ record: paths.map((path) => ({ kind: "absent", path })) });
  expect(isWarm()).toBe(true);
  symlinkSync("nowhere", workspace.join("appears"));
  expect(isWarm()).toBe(false);
});

test("dowel run asks the program when a variable has another value", () => {
  const record = [
    { kind: "variable", name: "LANG", value: "C" },
    { kind: "variable", name: "DISPLAY", value: undefined },
    { kind: "variable", name: "EMPTY", value: "" },
  ] as const;
  savePlan({ record });
  expect(isWarm({ LANG: "C", EMPTY: "" })).toBe(true);
  expect(isWarm({ LANG: "CC", EMPTY: "" })).toBe(false);
  expect(isWarm({ LANG: "C" })).toBe(false);
  expect(isWarm({ LANG: "C", EMPTY: "", DISPLAY: ":0" })).toBe(false);
});

test("dowel run trusts no folder and no plan that somebody else could have written", () => {
  const path = savePlan();
  expect(isWarm()).toBe(true);
  chmodSync(workspace.join("runtime/dowel"), 0o750);
  expect(isWarm()).toBe(false);
  chmodSync(workspace.join("runtime/dowel"), 0o700);
  chownSync(path, 0, 0);
  chmodSync(path, 0o644);
  expect(isWarm()).toBe(false);
  chownSync(path, ordinaryUser, ordinaryUser);
  expect(isWarm()).toBe(true);
  renameSync(path, `${path}.real`);
  symlinkSync(`${path}.real`, path);
  expect(isWarm()).toBe(false);
  rmSync(path);
  renameSync(`${path}.real`, path);
  renameSync(workspace.join("runtime/dowel"), workspace.join("runtime/other"));
  symlinkSync("other", workspace.join("runtime/dowel"));
  expect(isWarm()).toBe(false);
});

test("dowel run asks the program where the plan is damaged", () => {
  const path = savePlan();
  const bytes = encodePlan(workspace.plan({ key }));
  writeFileSync(path, bytes.subarray(0, bytes.length - 1));
  expect(isWarm()).toBe(false);
  writeFileSync(path, "");
  expect(isWarm()).toBe(false);
});
