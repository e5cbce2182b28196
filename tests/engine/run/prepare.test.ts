// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { sweep } from "../../../src/engine/run/cache.ts";
import type { RunRequest } from "../../../src/engine/run/describe.ts";
import { type PreparedRun, prepareRun } from "../../../src/engine/run/prepare.ts";
import { spawnPlan } from "../../../src/instances/spawn.ts";
import { launcher, probe } from "../../launcher/support.ts";
import { appId, arch, Machine, request } from "./support.ts";

let machine: Machine;

beforeEach(() => {
  machine = new Machine();
  machine.deployPlatform();
});
afterEach(() => machine[Symbol.dispose]());

const words = ["run", appId];
const prepare = (changes: Partial<RunRequest> = {}, options: readonly string[] = []): Promise<PreparedRun> =>
  prepareRun(request(changes, options), words);

/** Starts a prepared run with words for the probe; answers its exit code and the records that it printed. */
async function start(
  run: PreparedRun,
  ...args: string[]
): Promise<{ code: number; records: Record<string, unknown>[] }> {
  let text = "";
  const output = (chunk: Uint8Array) => {
    text += Buffer.from(chunk).toString("utf8");
  };
  const { code } = await spawnPlan(run.bytes, args, { launcher, output });
  const lines = text.split("\n").filter((line) => line.startsWith("{"));
  return { code, records: lines.map((line) => JSON.parse(line)) };
}

/** Starts by the words alone, with a launcher that has no program to fall back on: undefined where the kept plan was not taken. */
function startWarm(...args: string[]): number | undefined {
  const alone = join(machine.folder("bin"), "dowel");
  copyFileSync(launcher, alone);
  const result = spawnSync(alone, [...words, ...args], { encoding: "utf8" });
  return result.stderr.includes("dowel-program") ? undefined : (result.status ?? undefined);
}

describe("prepareRun()", () => {
  test("prepareRun() gives a plan with which the app runs", async () => {
    machine.deployApp();
    const run = await prepare();
    expect((await start(run, "exit", "7")).code).toBe(7);
    const [first] = (await start(run, "files", "/app", "/usr", "/etc", "/run", machine.home)).records;
    expect(first).toMatchObject({ write: "EROFS" });
  });

  test("prepareRun() gives the app a filter and no rights", async () => {
    machine.deployApp();
    const [calls] = (await start(await prepare(), "syscalls")).records;
    expect(calls).toMatchObject({
      results: {
        mount: "EPERM",
        unshare_user: "EPERM",
        clone3: "ENOSYS",
        ioctl_tiocsti_high: "EPERM",
        socket_alg: "EAFNOSUPPORT",
      },
    });
    const [id] = (await start(await prepare(), "id")).records;
    expect(id).toMatchObject({ CapEff: "0000000000000000", NoNewPrivs: "1" });
  });

  test("prepareRun() does not take a command that begins with a dash for an option (CVE-2024-32462)", async () => {
    machine.deployApp();
    const run = await prepare({ command: "--tmpfs" });
    await expect(start(run, "/x")).rejects.toMatchObject({
      code: "SANDBOX_FAILED",
      message: expect.stringContaining("execute --tmpfs"),
    });
  });

  test("prepareRun() makes the app's folders in the home", async () => {
    machine.deployApp();
    await prepare();
    const folder = join(machine.home, ".var/app", appId);
    for (const name of ["cache/tmp", "config", "data", ".local/state"]) {
      expect(statSync(join(folder, name)).isDirectory()).toBe(true);
    }
  });

  test("prepareRun() keeps the plan in a folder of the caller's own", async () => {
    machine.deployApp();
    const { cachePath } = await prepare();
    expect(cachePath).toStartWith(`${machine.session}/dowel/plans/`);
    expect(statSync(cachePath ?? "").mode & 0o7777).toBe(0o600);
    expect(statSync(`${machine.session}/dowel`).mode & 0o7777).toBe(0o700);
    expect(readdirSync(`${machine.session}/dowel/plans`)).toHaveLength(1);
  });

  test("prepareRun() keeps nothing without key words", async () => {
    machine.deployApp();
    expect((await prepareRun(request(), [])).cachePath).toBeUndefined();
    expect(readdirSync(`${machine.session}/dowel/plans`)).toEqual([]);
  });
});

describe("prepareRun() and a later start with the same words", () => {
  test("the kept plan is taken while nothing that it depends on changes", async () => {
    machine.deployApp();
    await prepare();
    expect(startWarm("exit", "5")).toBe(5);
  });

  test.each<[string, () => unknown]>([
    ["another version of the app is active", () => machine.deployApp("", { commit: "2" })],
    ["the user installs an app of the same id", () => machine.deployApp("", { installation: machine.user })],
    ["another branch of the app is installed", () => machine.deployApp("", { branch: "beta" })],
    [
      "another version of the runtime is active",
      () =>
        machine.deploy(`runtime/org.test.Platform/${arch}/1`, "[Runtime]\nname=org.test.Platform\n", { commit: "3" }),
    ],
    ["overrides for the app appear", () => machine.file(`user/overrides/${appId}`, "[Context]\nshared=network;\n")],
    ["overrides for all apps appear", () => machine.file("system/overrides/global", "[Context]\nshared=network;\n")],
    ["the configuration layer is gone", () => rmSync(`${machine.session}/dowel/layers`, { recursive: true })],
    ["the app's data are gone", () => rmSync(join(machine.home, ".var"), { recursive: true })],
    ["a variable that was looked at changes", () => Object.assign(process.env, { XDG_DATA_HOME: "/elsewhere" })],
  ])("the kept plan is dropped when %s", async (_what, change) => {
    const before = process.env["XDG_DATA_HOME"];
    machine.deployApp();
    await prepare();
    change();
    try {
      expect(startWarm("exit", "5")).toBeUndefined();
    } finally {
      if (before === undefined) delete process.env["XDG_DATA_HOME"];
      else process.env["XDG_DATA_HOME"] = before;
    }
  });
});

describe("prepareRun() and what is installed", () => {
  test("prepareRun() prefers the user's installation", async () => {
    machine.deployApp("", { commit: "1" });
    const commit = machine.deployApp("", { commit: "2", installation: machine.user });
    expect((await prepare()).specification.identity.commit).toBe(commit);
  });

  test("prepareRun() takes the current branch, or the one that is named", async () => {
    machine.deployApp("", { branch: "stable" });
    machine.deployApp("", { branch: "beta" });
    await expect(prepare()).rejects.toMatchObject({ code: "REF_AMBIGUOUS", message: expect.stringContaining("beta") });
    symlinkSync(`${arch}/beta`, join(machine.system, "app", appId, "current"));
    expect((await prepare()).specification.identity.ref).toBe(`app/${appId}/${arch}/beta`);
    expect((await prepare({ branch: "stable" })).specification.identity.ref).toBe(`app/${appId}/${arch}/stable`);
  });

  test("prepareRun() names the command that installs what is missing", async () => {
    await expect(prepare()).rejects.toMatchObject({
      code: "NOT_INSTALLED",
      hint: `Install it with: dowel install ${appId}`,
    });
    machine.deployApp();
    await expect(prepare({ runtimeVersion: "2" })).rejects.toMatchObject({
      code: "RUNTIME_NOT_FOUND",
      hint: `Install it with: dowel install runtime/org.test.Platform/${arch}/2`,
    });
  });

  test("prepareRun() names the branches that are there in place of a missing one", async () => {
    machine.deployApp();
    await expect(prepare({ branch: "beta" })).rejects.toMatchObject({
      code: "NOT_INSTALLED",
      message: `${appId} is not installed as beta`,
      hint: `Installed are: app/${appId}/${arch}/stable`,
    });
  });

  test("prepareRun() takes a version that is kept, of app and runtime, by the beginning of its commit", async () => {
    const old = machine.deployApp("", { commit: "1" });
    const active = machine.deployApp("", { commit: "2" });
    expect((await prepare()).specification.identity.commit).toBe(active);
    const run = await prepare({ commit: old.slice(0, 12) });
    expect(run.specification.identity.commit).toBe(old);
    expect((await start(run, "exit", "4")).code).toBe(4);
    expect(startWarm("exit", "5")).toBe(5);
    await expect(prepare({ commit: "f".repeat(64) })).rejects.toMatchObject({
      code: "NOT_INSTALLED",
      hint: expect.stringContaining("dowel update --commit="),
    });
    await expect(prepare({ commit: "latest" })).rejects.toMatchObject({ code: "USAGE" });
    await expect(prepare({ runtimeCommit: "abcd" })).rejects.toMatchObject({ code: "RUNTIME_NOT_FOUND" });
  });

  test("prepareRun() shows other folders as /app and /usr", async () => {
    machine.deployApp();
    machine.file("other-app/mark", "other");
    const [mark] = (await start(await prepare({ appPath: machine.folder("other-app") }), "files", "/app/mark")).records;
    expect(mark).toMatchObject({ content: "other", write: "EROFS" });
    const usr = machine.folder("other-usr");
    mkdirSync(join(usr, "bin"));
    copyFileSync(probe, join(usr, "bin/probe"));
    machine.file("other-usr/etc/mark", "other");
    const run = await prepare({ usrPath: usr });
    const [etc, parent] = (await start(run, "files", "/etc/mark", "/run/parent/bin/probe")).records;
    expect(etc).toMatchObject({ stat: "OK", to: "../usr/etc/mark" });
    expect(parent).toMatchObject({ stat: "OK" });
  });

  test("prepareRun() gives a renamed app the data that it had before, under both names", async () => {
    const commit = machine.deployApp();
    const path = join(machine.system, `app/${appId}/${arch}/stable/${commit}/deploy.json`);
    const deployment = JSON.parse(readFileSync(path, "utf8"));
    writeFileSync(path, JSON.stringify({ ...deployment, previousIds: ["org.test.Old"] }));
    machine.file("home/.var/app/org.test.Old/data/letter", "kept");
    const run = await prepare();
    const old = join(machine.home, ".var/app/org.test.Old/data/letter");
    const { records } = await start(run, "files", "/var/data/letter", old);
    expect(records).toMatchObject([{ content: "kept" }, { content: "kept" }]);
    expect(readFileSync(old, "utf8")).toBe("kept");
    expect(statSync(join(machine.home, ".var/app", appId, "data/letter")).isFile()).toBe(true);
  });

  test("prepareRun() takes another runtime when told to", async () => {
    machine.deployApp();
    machine.deployPlatform("2");
    const expected = `runtime/org.test.Platform/${arch}/2`;
    expect((await prepare({ runtimeVersion: "2" })).specification.identity.runtime).toBe(expected);
    expect((await prepare({ runtime: "org.test.Platform//2" })).specification.identity.runtime).toBe(expected);
  });

  test("prepareRun() runs a command in a runtime alone", async () => {
    const run = await prepare({ name: "org.test.Platform", command: "probe" });
    expect(run.specification.dataFolder).toBeUndefined();
    expect((await start(run, "exit", "3")).code).toBe(3);
    expect(existsSync(join(machine.home, ".var"))).toBe(false);
  });

  test("prepareRun() obeys overrides, the command line last", async () => {
    machine.deployApp("[Context]\nshared=network;\n");
    machine.file("user/overrides/global", "[Context]\nshared=!network;\n");
    expect((await prepare()).specification.shared.network).toBe(false);
    expect((await prepare({}, ["--share=network"])).specification.shared.network).toBe(true);
  });
});

describe("prepareRun() and links that an app left behind", () => {
  const secret = () => machine.folder("secret");
  const dataPath = (name: string) => join(machine.home, ".var/app", appId, name);

  test.each(["cache", "config", "data", ".local"])("prepareRun() refuses a link in place of %s", async (name) => {
    machine.deployApp();
    mkdirSync(dataPath(""), { recursive: true });
    symlinkSync(secret(), dataPath(name));
    await expect(prepare()).rejects.toMatchObject({ code: "HOST_PATH_UNSAFE", message: expect.stringContaining(name) });
    expect(readdirSync(secret())).toEqual([]);
  });

  test("prepareRun() refuses a link that leads up and a link in place of the app's folder", async () => {
    machine.deployApp();
    mkdirSync(dataPath("cache"), { recursive: true });
    symlinkSync("../../../../secret", dataPath("cache/tmp"));
    await expect(prepare()).rejects.toMatchObject({ code: "HOST_PATH_UNSAFE" });
    rmSync(dataPath(""), { recursive: true });
    symlinkSync(secret(), join(machine.home, ".var/app", appId));
    await expect(prepare()).rejects.toMatchObject({ code: "HOST_PATH_UNSAFE" });
  });

  test("prepareRun() refuses a link in place of a persistent folder (CVE-2024-42472)", async () => {
    machine.deployApp();
    mkdirSync(dataPath(""), { recursive: true });
    symlinkSync(secret(), dataPath("keep"));
    await expect(prepare({}, ["--persist=keep"])).rejects.toMatchObject({ code: "HOST_PATH_UNSAFE" });
  });

  test("prepareRun() refuses a link above the place where a host file shows", async () => {
    machine.deployApp();
    machine.file("home/.config/a/b", "text");
    mkdirSync(dataPath("config"), { recursive: true });
    symlinkSync(secret(), dataPath("config/a"));
    const run = prepare({}, ["--filesystem=xdg-config/a/b"]);
    await expect(run).rejects.toMatchObject({
      code: "HOST_PATH_UNSAFE",
      message: expect.stringContaining("config/a/b"),
    });
    expect(readdirSync(secret())).toEqual([]);
  });

  test("a link made after the plan was kept does not get a host folder mounted", async () => {
    machine.deployApp();
    const run = await prepare();
    rmSync(dataPath("config"), { recursive: true });
    symlinkSync(secret(), dataPath("config"));
    expect(startWarm("exit", "0")).toBeUndefined();
    await expect(start(run, "exit", "0")).rejects.toMatchObject({
      code: "SANDBOX_FAILED",
      message: expect.stringContaining("config"),
    });
  });
});

describe("prepareRun() and the folder of plans", () => {
  test("prepareRun() refuses a folder that is a link or open to others", async () => {
    machine.deployApp();
    symlinkSync(machine.folder("elsewhere", 0o700), join(machine.session, "dowel"));
    await expect(prepare()).rejects.toMatchObject({ code: "HOST_PATH_UNSAFE" });
    rmSync(join(machine.session, "dowel"));
    machine.folder("session/dowel", 0o755);
    await expect(prepare()).rejects.toMatchObject({ code: "HOST_PATH_UNSAFE" });
  });
});

describe("prepareRun() and a sandbox that runs", () => {
  test("sweep() leaves a running sandbox its layer and what its app shares, and takes both afterwards", async () => {
    machine.deployApp();
    const run = await prepare();
    const folder = join(machine.session, "dowel");
    const [layer = "", shared = ""] = run.plan.held;
    const ending = new AbortController();
    const { promise: ready, resolve } = Promise.withResolvers<void>();
    const output = (chunk: Uint8Array) => {
      if (Buffer.from(chunk).includes("ready")) resolve();
    };
    const ended = spawnPlan(run.bytes, ["wait"], { launcher, output, signal: ending.signal }).catch(() => undefined);
    await ready;
    for (let index = 0; index < 65; index += 1) mkdirSync(join(folder, `layers/newer-${index}`));
    for (const path of [layer, shared]) utimesSync(path, 1_000_000_000, 1_000_000_000);
    sweep(folder);
    expect([layer, shared].map((path) => existsSync(path))).toEqual([true, true]);
    ending.abort();
    await ended;
    sweep(folder);
    expect([layer, shared].map((path) => existsSync(path))).toEqual([false, false]);
    expect(startWarm("exit", "0")).toBeUndefined();
  });

  test("runFolder() is not in the XDG_RUNTIME_DIR of another user, and the launcher agrees", async () => {
    machine.deployApp();
    chownSync(machine.session, 65_533, 65_533);
    const run = await prepare();
    expect(run.cachePath).toStartWith("/run/dowel/user-0/plans/");
    expect(startWarm("exit", "3")).toBe(3);
    expect(existsSync(join(machine.session, "app"))).toBe(false);
  });
});
