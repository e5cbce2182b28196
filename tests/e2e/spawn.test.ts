// SPDX-License-Identifier: Apache-2.0
// Sandboxes that apps ask for: the real flatpak-spawn inside an app, against the service's own portal on a real bus.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, copyFileSync, mkdirSync, openSync, readdirSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { basename, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import type { Message } from "../../src/dbus/message.ts";
import { signalGroup } from "../../src/session/portals/group.ts";
import { spawnFlag } from "../../src/session/portals/spawn.ts";
import { AppClient } from "../support/appclient.ts";
import { startBus, type TestBus } from "../support/bus.ts";
import { addImage } from "../support/layout.ts";
import { until } from "../support/until.ts";
import { startApp } from "./runningapps.ts";
import { dowelPath, makeLayout, runtimeRef, Sandpit } from "./support.ts";

const id = "org.example.Spawner";
const name = "org.freedesktop.portal.Flatpak";
const portal = { destination: name, path: "/org/freedesktop/portal/Flatpak", interface: name } as const;
const clients = new AppClient();
const runs: ReturnType<Sandpit["start"]>[] = [];
let pit: Sandpit;
let bus: TestBus;
let loader: string;

/** A program of this machine with its libraries and their loader, as the app's own. Returns the loader's name. */
function bring(program: string, files: string): string {
  copyFileSync(program, join(files, "bin", basename(program)));
  let found = "";
  for (const [, path = ""] of execFileSync("ldd", [program], { encoding: "utf8" }).matchAll(/(\/\S+)/g)) {
    copyFileSync(path, join(files, "lib", basename(path)));
    if (basename(path).startsWith("ld-")) found = basename(path);
  }
  return found;
}

beforeAll(async () => {
  pit = new Sandpit();
  makeLayout(pit.path("images"));
  const tree = pit.path("images/tree-spawner");
  const [, , arch = ""] = runtimeRef.split("/");
  for (const name of ["bin", "lib"]) mkdirSync(join(tree, "files", name), { recursive: true });
  loader = bring("/usr/libexec/flatpak-xdg-utils/flatpak-spawn", join(tree, "files"));
  for (const program of ["/bin/cat", "/bin/touch"]) bring(program, join(tree, "files"));
  copyFileSync(resolve("build/bin/probe"), join(tree, "files/bin/probe"));
  const metadata = `[Application]\nname=${id}\nruntime=${runtimeRef.slice("runtime/".length)}\ncommand=probe\n\n[Context]\nshared=network;\n`;
  writeFileSync(join(tree, "metadata"), metadata);
  addImage(pit.path("images/layout"), { ref: `app/${id}/${arch}/stable`, metadata, tree });
  pit.succeed(["install", "--user", "-y", `oci:${pit.path("images/layout")}`, id]);
  bus = await startBus(pit.path("run"));
});
afterAll(async () => {
  await clients[Symbol.asyncDispose]();
  for (const { child, outcome } of runs) {
    child.kill("SIGTERM");
    await outcome;
  }
  await bus[Symbol.asyncDispose]();
  pit[Symbol.dispose]();
});

/** The words that run a program that was brought along. */
function own(program: string): string[] {
  return [`/app/lib/${loader}`, "--library-path", "/app/lib", `/app/bin/${program}`];
}

/** Runs `flatpak-spawn WORDS` in the app. */
function startSpawn(words: readonly string[], options: readonly string[] = []) {
  const [command = "", ...rest] = own("flatpak-spawn");
  return pit.start(["run", ...options, `--command=${command}`, id, ...rest, ...words]);
}

function spawnIn(...start: Parameters<typeof startSpawn>) {
  return startSpawn(...start).outcome;
}

/** The text of `/.flatpak-info` in a sandbox that `flatpak-spawn OPTIONS` makes. */
async function infoOf(options: readonly string[], runOptions: readonly string[] = []): Promise<string> {
  const outcome = await spawnIn([...options, ...own("cat"), "/.flatpak-info"], runOptions);
  expect(outcome).toMatchObject({ status: 0, stderr: "" });
  return outcome.stdout;
}

describe("flatpak-spawn", () => {
  test("runs a command in a further sandbox of the same app, as the caller's was made", async () => {
    const info = await infoOf([]);
    expect(info).toStartWith(`[Application]\nname=${id}\n`);
    expect(info).toContain("\nshared=network;\n");
    const less = await infoOf([], ["--unshare=network", "--filesystem=/srv", "--talk-name=org.example.Other"]);
    expect(less).not.toContain("shared=");
    expect(less).toContain("\nfilesystems=/srv;\n");
    expect(less).toContain("\norg.example.Other=talk\n");
  });

  test("takes permissions away on request, and never gives them back", async () => {
    expect(await infoOf(["--no-network"])).not.toContain("shared=");
    const sandboxed = await infoOf(["--sandbox"], ["--filesystem=/srv"]);
    expect(sandboxed).toContain("\nsandbox=true\n");
    expect(sandboxed).not.toContain("/srv");
    // The caller is in such a sandbox itself; its further ones are too.
    expect(await infoOf([], ["--sandbox", "--session-bus"])).toContain("\nsandbox=true\n");
  });

  test("passes the exit status, the variables and the working folder", async () => {
    expect((await spawnIn(["probe", "exit", "7"])).status).toBe(7);
    const variables = async (...words: string[]): Promise<unknown> =>
      JSON.parse((await spawnIn([...words, "probe", "env"])).stdout).variables;
    expect(await variables("--env=COLOUR=red")).toMatchObject({ COLOUR: "red", USER: "root" });
    expect(await variables("--clear-env")).not.toHaveProperty("USER");
    const id = JSON.parse((await spawnIn(["--directory=/usr", "probe", "id"])).stdout);
    expect(id.cwd).toBe("/usr");
  });

  test("shows a sandbox without permissions what the caller has and names, and nothing else", async () => {
    const data = pit.path("home/.var/app", id, "data");
    mkdirSync(data, { recursive: true });
    writeFileSync(join(data, "note"), "text");
    const read = (...options: string[]) => spawnIn(["--sandbox", ...options, ...own("cat"), join(data, "note")]);
    expect((await read()).status).not.toBe(0);
    expect(await read(`--sandbox-expose-path-ro=${data}`)).toMatchObject({ status: 0, stdout: "text" });
  });

  test("does not make writable what the caller can only read", async () => {
    const shared = pit.path("home/shared");
    mkdirSync(shared, { recursive: true });
    const touch = (name: string, access: string) =>
      spawnIn(
        ["--sandbox", `--sandbox-expose-path=${shared}`, ...own("touch"), join(shared, name)],
        [`--filesystem=${shared}${access}`],
      );
    expect((await touch("no", ":ro")).status).not.toBe(0);
    expect(await touch("yes", "")).toMatchObject({ status: 0, stderr: "" });
    expect(readdirSync(shared)).toEqual(["yes"]);
  });

  test("passes signals on to what it started, and ends it with its caller's connection", async () => {
    const { child, outcome } = startSpawn(["--watch-bus", "probe", "wait"]);
    await new Promise((told) => child.stdout.once("data", told));
    child.kill("SIGTERM");
    // What the probe ends with at SIGTERM.
    expect((await outcome).status).toBe(3);
    const second = startSpawn(["--watch-bus", "probe", "wait"]);
    await new Promise((told) => second.child.stdout.once("data", told));
    second.child.kill("SIGKILL");
    await second.outcome;
    await until("nothing runs any more", () => pit.succeed(["ps"]).trim() === "");
  });

  test("signals each process of a group once, though the monitor passes on what it gets", async () => {
    const stdio = ["ignore", "pipe", "inherit"] as const;
    const child = spawn(dowelPath, ["run", id, "wait"], { env: pit.environment, detached: true, stdio: [...stdio] });
    const exit = once(child, "exit");
    const lines = createInterface({ input: child.stdout ?? process.stdin })[Symbol.asyncIterator]();
    const next = async () => JSON.parse((await lines.next()).value ?? "null");
    const pid = child.pid ?? 0;
    expect(await next()).toMatchObject({ ready: true });
    signalGroup(pid, constants.signals.SIGUSR1);
    expect(await next()).toMatchObject({ signal: constants.signals.SIGUSR1 });
    signalGroup(pid, constants.signals.SIGTERM);
    expect(await next()).toMatchObject({ signal: constants.signals.SIGTERM });
    // What the probe ends with at SIGTERM.
    expect((await exit)[0]).toBe(3);
    expect(() => signalGroup(pid, constants.signals.SIGUSR1)).toThrow("ESRCH");
  });

  test("lets the caller see the new processes, or shares its own with them", async () => {
    const seen = async (option: string): Promise<readonly number[]> => {
      const outcome = await spawnIn([option, "probe", "processes"]);
      expect(outcome).toMatchObject({ status: 0, stderr: "" });
      return JSON.parse(outcome.stdout).numbers;
    };
    expect(await seen("--expose-pids")).toEqual([1, 2]);
    // The caller's own two, and two of the new sandbox.
    expect((await seen("--share-pids")).length).toBe(4);
  });

  test("tells of a start before its end, with a pid only where the caller sees it", async () => {
    const { peer } = await startApp(pit, clients, runs, [id]);
    const events: (readonly unknown[])[] = [];
    const hear = ({ member, values = [] }: Message): number => events.push([member, ...values]);
    using _started = await peer.listen({ member: "SpawnStarted" }, hear);
    using _ended = await peer.listen({ member: "SpawnExited" }, hear);
    for (const [flags, exposes] of [
      [spawnFlag.notifyStart, false],
      [spawnFlag.exposePids, true],
      [spawnFlag.sharePids, true],
    ] as const) {
      const words = [Buffer.from("probe\0"), Buffer.from("wait\0")];
      const values = [Buffer.from("/\0"), words, new Map(), new Map(), flags, new Map()];
      const spawned = { ...portal, member: "Spawn", signature: "ayaaya{uh}a{ss}ua{sv}", values, returns: "u" } as const;
      const [pid] = await peer.call(spawned);
      await until("the start", () => events.length === 1);
      expect(events).toEqual([["SpawnStarted", pid, exposes ? expect.any(Number) : 0]]);
      if (exposes) expect(events[0]?.[2]).toBeGreaterThan(0);
      await peer.call({ ...portal, member: "SpawnSignal", signature: "uub", values: [pid, 9, true] });
      await until("the end", () => events.length === 2);
      expect(events.pop()).toEqual(["SpawnExited", pid, 9]);
      events.pop();
    }
  });

  test("passes descriptors on under the numbers that it is told, also where they change places", () => {
    const names = ["five", "six"];
    const files = names.map((name) => pit.path("work", name));
    for (const [index, file] of files.entries()) writeFileSync(file, names[index] ?? "");
    const fds = files.map((file) => openSync(file, "r"));
    const [command = "", ...rest] = own("flatpak-spawn");
    for (const last of ["/proc/self/fd/5", "/proc/self/fd/6"]) {
      const passed = ["--forward-fd=5", "--forward-fd=6"];
      const words = ["run", ...passed, `--command=${command}`, id, ...rest, ...passed, ...own("cat"), last];
      const stdio = ["ignore", "pipe", "pipe", "ignore", "ignore", ...fds] as const;
      const outcome = spawnSync(dowelPath, words, { env: pit.environment, stdio: [...stdio], encoding: "utf8" });
      expect(outcome).toMatchObject({ status: 0, stderr: "" });
      expect(outcome.stdout).toBe(last.endsWith("5") ? "five" : "six");
    }
    for (const fd of fds) closeSync(fd);
  });

  test("tells what the service refuses", async () => {
    const outcome = await spawnIn(["--sandbox", "--sandbox-expose=../other", "probe", "env"]);
    expect(outcome.status).toBe(1);
    expect(outcome.stderr).toContain("no name of a file in the sandbox folder");
  });
});
