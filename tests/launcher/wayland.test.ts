// SPDX-License-Identifier: Apache-2.0
// The sandbox's own Wayland socket, asked of compositors that offer a context, offer none, or misbehave.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import type { MountOperation, Plan } from "../../src/sandbox/plan/index.ts";
import { buildLauncher, launch, lineReader, ordinaryUser, Workspace } from "./support.ts";

type Mode = "context" | "plain" | "refuses" | "garbage" | "endless";

const target = "/run/wayland-0";

let workspace: Workspace;
beforeAll(() => {
  buildLauncher();
  workspace = new Workspace();
});
afterAll(() => workspace[Symbol.dispose]());

/** A compositor on a socket of its own, until the end of the block. */
async function compositor(mode: Mode, user: number) {
  const path = workspace.join(`compositor-${mode}-${user}`);
  const child: ChildProcess = spawn("/usr/bin/python3", [join(import.meta.dir, "compositor.py"), path, mode], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const { line } = lineReader(child.stdout);
  expect(JSON.parse(await line())).toEqual({ ready: true });
  const stop = async () => {
    const ended = new Promise((done) => child.once("exit", done));
    child.kill("SIGKILL");
    await ended;
    rmSync(path, { force: true });
  };
  return { path, line: async () => JSON.parse(await line()), [Symbol.asyncDispose]: stop };
}

function planFor(source: string, folder: string): Plan {
  const bind: MountOperation = {
    kind: "bind",
    source,
    target,
    readOnly: false,
    recursive: true,
    devices: false,
    noSymlinks: false,
    optional: false,
    wayland: true,
  };
  const instance = { folder, counter: `${dirname(folder)}/counter`, id: "org.test.App", ref: "r", image: "" };
  return workspace.plan({ instance: { ...instance, info: ["", "\n"] } }, [bind]);
}

test("a real compositor without contexts is reached as it is", async () => {
  const folder = workspace.folder("weston", 0, 0o700);
  const socket = join(folder, "wayland-7");
  const words = ["--backend=headless-backend.so", "--shell=kiosk-shell.so", "--socket=wayland-7", "--idle-time=0"];
  const weston = spawn("weston", words, {
    stdio: ["ignore", "ignore", "ignore"],
    env: { PATH: process.env["PATH"], HOME: folder, XDG_RUNTIME_DIR: folder },
  });
  const ended = new Promise((done) => weston.once("exit", done));
  while (!existsSync(socket) && weston.exitCode === null) await new Promise((later) => setTimeout(later, 20));
  try {
    mkdirSync(join(folder, "x"));
    const [found] = launch(workspace, planFor(socket, join(folder, "x")), ["sockets", target]).records;
    expect(found).toMatchObject({ connect: "OK" });
    expect(String(found?.["said"])).not.toBe("");
  } finally {
    weston.kill("SIGKILL");
    await ended;
  }
}, 30_000);

describe.each([0, ordinaryUser])("a Wayland socket for user %d", (user) => {
  const folder = () => {
    const own = workspace.folder(`run-${user}`, user, 0o700);
    mkdirSync(`${own}/x`, { recursive: true });
    workspace.folder(`run-${user}/x`, user);
    return `${own}/x`;
  };
  const run = (source: string) =>
    launch(workspace, planFor(source, folder()), ["sockets", target], { user }).records[0];

  test("comes with a context of the instance's own, which ends with it", async () => {
    await using server = await compositor("context", user);
    expect(run(server.path)).toMatchObject({ connect: "OK", said: "inside a context\n" });
    const { engine, app, instance } = await server.line();
    expect([engine, app]).toEqual(["org.flatpak", "org.test.App"]);
    expect(instance).toMatch(/^[0-9]+$/);
    expect(await server.line()).toEqual({ ended: true });
    expect(readdirSync(folder())).toEqual([]);
  });

  test("is the compositor's where it offers no context", async () => {
    await using server = await compositor("plain", user);
    expect(run(server.path)).toMatchObject({ connect: "OK", said: "the compositor itself\n" });
  });

  test.each(["refuses", "garbage", "endless"] as const)("is none where the compositor %s", async (mode) => {
    await using server = await compositor(mode, user);
    const outcome = run(server.path);
    expect(outcome).toMatchObject({ connect: "ENOENT" });
    expect(existsSync(server.path)).toBe(true);
  });
});
