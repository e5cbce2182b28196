// SPDX-License-Identifier: Apache-2.0
// Apps on the buses: a real daemon, the session service that the first start brings up, and connections that the monitor opens.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { askStatus, type SessionStatus } from "../../src/session/service/status.ts";
import { RawPeer, startBus, type TestBus } from "../support/bus.ts";
import { addImage } from "../support/layout.ts";
import { makeLayout, runtimeRef, Sandpit } from "./support.ts";

const id = "org.example.Bus";
/** dbus-daemon takes only users that have a name. */
const nobody = 65_534;
const asUser = ["setpriv", `--reuid=${nobody}`, `--regid=${nobody}`, "--clear-groups"];
/** The tests give control groups to another user alone. */
const run = ["run", "--no-require-cgroup"];
let pit: Sandpit;
let bus: TestBus;
let outside: RawPeer;

beforeAll(async () => {
  pit = new Sandpit(nobody);
  makeLayout(pit.path("images"));
  const tree = pit.path("images/tree-bus");
  const [, , arch = ""] = runtimeRef.split("/");
  mkdirSync(join(tree, "files/bin"), { recursive: true });
  execFileSync("gcc", ["-O2", "-static", "-o", join(tree, "files/bin/peer"), "bench/bus-peer.c"]);
  copyFileSync(resolve("build/bin/probe"), join(tree, "files/bin/probe"));
  const metadata = `[Application]\nname=${id}\nruntime=${runtimeRef.slice("runtime/".length)}\ncommand=peer\n`;
  writeFileSync(join(tree, "metadata"), metadata);
  addImage(pit.path("images/layout"), { ref: `app/${id}/${arch}/stable`, metadata, tree });
  for (const name of ["images", "home", "work", "run"]) pit.own(pit.path(name));
  pit.succeed(["install", "--user", "-y", `oci:${pit.path("images/layout")}`, id]);
  bus = await startBus(pit.path("run"));
  outside = await RawPeer.connect(bus.socket);
  await outside.callBus("RequestName", "org.test.Hidden");
  outside.onMessage = ({ type, sender, serial }, peer) => {
    if (type === 1) peer.send({ type: 2, destination: sender, replySerial: serial });
  };
});
afterAll(async () => {
  outside[Symbol.dispose]();
  await bus[Symbol.asyncDispose]();
  pit[Symbol.dispose]();
});

function status(): SessionStatus {
  return askStatus(pit.path("run/dowel/session.sock"));
}

/** Runs the app as a service of a name of its own; it has the name when this resolves. */
async function startService(name: string) {
  const app = pit.start([...run, id, "serve", "/run/flatpak/bus", name]);
  const ready = new Promise<void>((done) => app.child.stdout.once("data", () => done()));
  const ended = app.outcome.then((outcome) => {
    throw new Error(`The service ended: ${JSON.stringify(outcome)}`);
  });
  await Promise.race([ready, ended]);
  ended.catch(() => undefined);
  return app;
}

function callHidden(...options: string[]) {
  return pit.start([...run, ...options, id, "calls", "1", "3", "1", "org.test.Hidden", "0", "/run/flatpak/bus"])
    .outcome;
}

const unknown = "org.freedesktop.DBus.Error.ServiceUnknown";

/** An app that waits, and a client of its session bus. */
class WaitingApp implements AsyncDisposable {
  readonly #process: ReturnType<typeof pit.start>;
  readonly #socket: string;
  readonly client: RawPeer;

  private constructor(process: ReturnType<typeof pit.start>, socket: string, client: RawPeer) {
    this.#process = process;
    this.#socket = socket;
    this.client = client;
  }

  static async start(...options: string[]): Promise<WaitingApp> {
    const process = pit.start([...run, ...options, "--command=probe", id, "wait"]);
    while (!pit.dowel(["session", "status"]).stdout.includes(id)) await Bun.sleep(20);
    const [{ instance = "" } = {}] = status().instances;
    const socket = pit.path("run/.flatpak", instance, "session-bus");
    return new WaitingApp(process, socket, await RawPeer.connect(socket, true, nobody));
  }

  get pid(): number {
    return this.#process.child.pid ?? 0;
  }

  async connect(): Promise<RawPeer> {
    return await RawPeer.connect(this.#socket, true, nobody);
  }

  /** Waits until a call ends with an error; with "" until it is answered. */
  async until(error: string, client = this.client): Promise<void> {
    const call = { destination: "org.test.Hidden", path: "/", member: "Echo" };
    while ((await client.ask(call))?.errorName !== error) await Bun.sleep(5);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client[Symbol.dispose]();
    this.#process.child.kill("SIGTERM");
    await this.#process.outcome;
    while (status().instances.length > 0) await Bun.sleep(5);
  }
}

describe("an app on the session bus", () => {
  test("owns names below its id, and is seen as what it is by who looks at its connection", async () => {
    const app = await startService(`${id}.Service`);
    const owner = String((await outside.callBus("GetNameOwner", `${id}.Service`)).values[0]);
    const pid = Number((await outside.callBus("GetConnectionUnixProcessID", owner)).values[0]);
    expect(readFileSync(`/proc/${pid}/root/.flatpak-info`, "utf8")).toStartWith(`[Application]\nname=${id}\n`);
    expect(pid).toBe(app.child.pid ?? 0);
    // Any process of the user may look there, as a portal does.
    expect(
      execFileSync(asUser[0] ?? "", [...asUser.slice(1), "cat", `/proc/${pid}/root/.flatpak-info`]).length,
    ).toBeGreaterThan(0);
    const answer = await outside.ask({ destination: owner, path: "/", member: "Echo" });
    expect(answer?.type).toBe(2);
    expect(status().instances.map((one) => one.app)).toEqual([id]);
    app.child.kill("SIGTERM");
    await app.outcome;
    while (status().instances.length > 0) await Bun.sleep(5);
    expect(readdirSync(pit.path("run/.flatpak"))).toEqual([]);
  });

  test("talks to nobody else, but to whom a permission names, cold and warm", async () => {
    for (let round = 0; round < 2; round++) {
      expect(await callHidden()).toMatchObject({ status: 1, stderr: "an error came\n" });
      expect(await callHidden("--talk-name=org.test.Hidden")).toMatchObject({ status: 0, stderr: "" });
    }
    expect(pit.dowel(["why", id, "org.test.Hidden"]).stdout).toContain(
      "dowel override --user --talk-name=org.test.Hidden",
    );
  });

  test("--log-session-bus shows its messages", async () => {
    const { stderr } = await callHidden("--log-session-bus");
    expect(stderr).toContain("C1: -> org.freedesktop.DBus call org.freedesktop.DBus.Hello at /org/freedesktop/DBus\n");
    expect(stderr).toContain(
      "-> org.test.Hidden call org.example.Bench.Echo at /org/freedesktop/DBus\n*HIDDEN* (ping)\n",
    );
  });

  test("follows overrides while it runs, on connections that are open, and past a death of the service", async () => {
    await using app = await WaitingApp.start();
    const call = { path: "/", member: "Echo" };
    const ask = async (destination: string, from = app.client) => (await from.ask({ ...call, destination }))?.errorName;
    expect(await ask("org.test.Hidden")).toBe(unknown);
    pit.succeed(["override", "--user", "--talk-name=org.test.Hidden", id]);
    expect([await ask("org.test.Hidden"), await ask(outside.name)]).toEqual(["", ""]);
    expect(pit.succeed(["override", "--user", "--no-talk-name=org.test.Hidden", id])).toBe("");
    expect([await ask("org.test.Hidden"), await ask(outside.name)]).toEqual([
      unknown,
      "org.freedesktop.DBus.Error.AccessDenied",
    ]);
    pit.succeed(["override", "--user", "--reset", id]);
    pit.succeed(["override", "--user", "--talk-name=org.test.Hidden"]);
    expect(await ask("org.test.Hidden")).toBe("");
    process.kill(status().pid, "SIGKILL");
    await app.client.until(() => app.client.closed);
    using second = await app.connect();
    expect(await ask("org.test.Hidden", second)).toBe("");
    pit.succeed(["override", "--user", "--reset"]);
  });

  test("follows overrides that somebody edits by hand, or takes away", async () => {
    await using app = await WaitingApp.start();
    const folder = pit.path("home/.local/share/dowel/overrides");
    const rule = "[Session Bus Policy]\norg.test.Hidden=talk\n";
    await app.until(unknown);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, id), rule);
    await app.until("");
    writeFileSync(join(folder, id), rule.replace("talk", "none"));
    await app.until(unknown);
    // A mistake changes nothing; correcting it does.
    writeFileSync(join(folder, id), "[Session Bus Policy]\norg.test.Hidden=shout\n");
    renameSync(join(folder, id), join(folder, "other"));
    writeFileSync(join(folder, "global"), rule);
    await app.until("");
    rmSync(folder, { recursive: true });
    await app.until(unknown);
  });

  test("follows what apply and data restore make of its overrides", async () => {
    const [file, archive] = [pit.path("work/state.yml"), pit.path("work/app.tar.zst")];
    pit.succeed(["override", "--user", "--talk-name=org.test.Hidden", id]);
    pit.succeed(["data", "backup", id, archive]);
    const state = pit.succeed(["export-state", "--user", "--json"]);
    writeFileSync(file, state);
    pit.succeed(["override", "--user", "--reset", id]);
    // Of what runs, the data cannot be replaced; those of the app itself count for its profiles, too.
    await using app = await WaitingApp.start("--profile=work");
    await app.until(unknown);
    pit.succeed(["apply", "--user", "-y", file]);
    await app.until("");
    writeFileSync(file, JSON.stringify({ ...JSON.parse(state), overrides: {} }));
    pit.succeed(["apply", "--user", "-y", file]);
    await app.until(unknown);
    pit.succeed(["data", "restore", "-y", "--with-overrides", id, archive]);
    await app.until("");
    pit.succeed(["override", "--user", "--reset", id]);
    await app.until(unknown);
  });

  test("follows overrides that changed while no service looked", async () => {
    await using app = await WaitingApp.start();
    await app.until(unknown);
    const { pid } = status();
    process.kill(pid, "SIGSTOP");
    const folder = pit.path("home/.local/share/dowel/overrides");
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, id), "[Session Bus Policy]\norg.test.Hidden=talk\n");
    process.kill(pid, "SIGKILL");
    await app.client.until(() => app.client.closed);
    using second = await app.connect();
    await app.until("", second);
    pit.succeed(["override", "--user", "--reset", id]);
    await app.until(unknown, second);
  });

  test("outlives the session service, which comes back and serves it", async () => {
    await using app = await WaitingApp.start();
    const before = status().pid;
    process.kill(before, "SIGKILL");
    await app.client.until(() => app.client.closed);
    using client = await app.connect();
    const pid = Number((await outside.callBus("GetConnectionUnixProcessID", client.name)).values[0]);
    expect(pid).toBe(app.pid);
    expect(status().pid).not.toBe(before);
  });
});
