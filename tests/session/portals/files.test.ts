// SPDX-License-Identifier: Apache-2.0
// Portals that keep or move files for an app, and what it may not do with them.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import type { BusPeer } from "../../../src/dbus/peer.ts";
import { variant } from "../../../src/formats/dbus/types.ts";
import { autostartEntry } from "../../../src/session/portals/background.ts";
import type { Decision } from "../../../src/session/portals/decide.ts";
import { O_PATH } from "../../../src/sys/beneath.ts";
import { until } from "../../support/until.ts";
import { at, errorOf, request } from "./caller.ts";
import { PortalWorld } from "./support.ts";

let world: PortalWorld;
let app: BusPeer;
let says: Decision | undefined;

beforeAll(async () => {
  world = await PortalWorld.device(async (_app, _table, _id, otherwise) => says ?? otherwise);
  app = await world.client();
});
afterAll(async () => {
  app[Symbol.dispose]();
  await world[Symbol.asyncDispose]();
});

describe("Trash", () => {
  const trash = (fd: number) =>
    app.call({ ...at("Trash"), member: "TrashFile", signature: "h", values: [fd], returns: "u" });
  const folder = () => join(world.folder, "data/Trash");

  test("moves files with a note where they were, names that are taken too", async () => {
    for (const name of ["a b%.txt", "a b%.txt.2"]) {
      const fd = openSync(world.file("docs/a b%.txt", name), "r+");
      expect(await trash(fd)).toEqual([1]);
      closeSync(fd);
      expect(readFileSync(join(folder(), "files", name), "utf8")).toBe(name);
      const note = readFileSync(join(folder(), "info", `${name}.trashinfo`), "utf8");
      expect(note).toContain(`[Trash Info]\nPath=${world.folder}/docs/a%20b%25.txt\nDeletionDate=2`);
    }
    expect(existsSync(join(world.folder, "docs/a b%.txt"))).toBe(false);
  });

  test("takes nothing that the app could not write to", async () => {
    const path = world.file("docs/kept", "kept");
    const { O_RDONLY } = constants;
    // The app lives in a namespace of its own, which does not have the mount of the file.
    const child = spawn("unshare", ["--mount", "sleep", "1000"]);
    await until("the namespace", () => readFileSync(`/proc/${child.pid}/comm`, "latin1") === "sleep\n");
    world.file("instances/7/bwrapinfo.json", JSON.stringify({ "child-pid": child.pid }));
    for (const fd of [openSync(path, O_RDONLY), openSync(path, O_PATH), openSync(path, "r+")]) {
      expect(await errorOf(trash(fd))).toContain("NotAllowed");
      closeSync(fd);
    }
    child.kill("SIGKILL");
    await once(child, "exit");
    world.file("instances/7/bwrapinfo.json", JSON.stringify({ "child-pid": process.pid }));
    expect(readFileSync(path, "utf8")).toBe("kept");
    const held = openSync(path, O_PATH);
    expect(await trash(held)).toEqual([1]);
    closeSync(held);
  });

  test("takes no file that its mode keeps from the app, however it is held, nor a link or a device", async () => {
    const path = world.file("docs/sealed", "sealed");
    const link = join(world.folder, "docs/link");
    symlinkSync("sealed", link);
    const wasOpen = openSync(path, "r+");
    chmodSync(path, 0o444);
    const { O_RDONLY, O_NOFOLLOW } = constants;
    for (const [fd, error] of [
      [wasOpen, "NotAllowed"],
      [openSync(path, O_RDONLY), "NotAllowed"],
      [openSync(path, O_PATH), "NotAllowed"],
      [openSync(link, O_PATH), "NotAllowed"],
      [openSync(link, O_PATH | O_NOFOLLOW), "InvalidArgument"],
      [openSync("/dev/null", "r+"), "InvalidArgument"],
    ] as const) {
      expect(await errorOf(trash(fd))).toContain(error);
      closeSync(fd);
    }
    expect(readFileSync(link, "utf8")).toBe("sealed");
    chmodSync(path, 0o644);
    const fd = openSync(link, O_RDONLY);
    expect(await trash(fd)).toEqual([1]);
    closeSync(fd);
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(readFileSync(join(folder(), "files/sealed"), "utf8")).toBe("sealed");
    rmSync(link);
  });

  test("takes no other file than the one that the app holds", async () => {
    const secret = world.file("secret/file", "secret");
    const fd = openSync(world.file("docs/file", "mine"), "r+");
    rmSync(join(world.folder, "docs"), { recursive: true });
    symlinkSync("secret", join(world.folder, "docs"));
    expect(await errorOf(trash(fd))).toContain("NotAllowed");
    closeSync(fd);
    expect(readFileSync(secret, "utf8")).toBe("secret");
    expect(readdirSync(join(folder(), "info"))).not.toContain("file.trashinfo");
    rmSync(join(world.folder, "docs"));
  });
});

describe("Secret", () => {
  /** Both ends of a pipe. */
  function pipe(): { readonly read: number; readonly write: number } {
    const path = join(world.folder, "pipe");
    execFileSync("mkfifo", [path]);
    const read = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const write = openSync(path, constants.O_WRONLY);
    rmSync(path);
    return { read, write };
  }

  async function retrieve(): Promise<number[]> {
    const { read, write } = pipe();
    expect(await request(app, "Secret", "RetrieveSecret", "h", [write])).toEqual([0, new Map()]);
    const found = Buffer.alloc(256);
    const length = readSync(read, found);
    closeSync(read);
    closeSync(write);
    return [...found.subarray(0, length)];
  }

  test("gives an app the same key each time, and a profile its own", async () => {
    const first = await retrieve();
    expect(first.length).toBe(64);
    expect(await retrieve()).toEqual(first);
    const file = join(world.folder, "data/dowel/secrets/org.example.App");
    expect([...readFileSync(file)]).toEqual(first);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    world.info("[Application]\nname=org.example.App\n[Instance]\nprofile=work\n");
    const other = app;
    app = await world.client();
    expect(await retrieve()).not.toEqual(first);
    app[Symbol.dispose]();
    app = other;
    writeFileSync(file, "short");
    expect(await errorOf(retrieve())).toContain("Error.Failed");
    rmSync(file);
  });

  test("waits for nobody, and writes to pipes alone", async () => {
    const { read, write } = pipe();
    const full = openSync(`/proc/self/fd/${write}`, constants.O_WRONLY | constants.O_NONBLOCK);
    expect(() => {
      for (;;) writeSync(full, Buffer.alloc(4096));
    }).toThrow("EAGAIN");
    closeSync(full);
    expect(await errorOf(request(app, "Secret", "RetrieveSecret", "h", [write]))).toContain("Error.Failed");
    closeSync(read);
    closeSync(write);
    const file = openSync(world.file("target", ""), "r+");
    expect(await errorOf(request(app, "Secret", "RetrieveSecret", "h", [file]))).toContain("InvalidArgument");
    closeSync(file);
    expect(readFileSync(join(world.folder, "target"), "utf8")).toBe("");
  });
});

describe("Background", () => {
  const ask = (more: Parameters<typeof request>[5]) => request(app, "Background", "RequestBackground", "s", [""], more);
  const entry = () => join(world.folder, "config/autostart/org.example.App.desktop");

  test("lets an app start with the session in its sandbox, and takes that back", async () => {
    const commandline = variant("as", ["serve", "--quiet", 'it\'s "$HOME" 100% \\']);
    const [response, results] = await ask({ autostart: variant("b", true), commandline });
    expect([response, results]).toEqual([
      0,
      new Map([
        ["background", variant("b", true)],
        ["autostart", variant("b", true)],
      ]),
    ]);
    expect(readFileSync(entry(), "utf8")).toContain('" "run" "--command=serve" "org.example.App" "--quiet" ');
    execFileSync("desktop-file-validate", [entry()]);
    says = "no";
    expect((await ask({ autostart: variant("b", true) }))[0]).toBe(1);
    expect(existsSync(entry())).toBe(false);
    says = undefined;
  });

  test("refuses words that would be more than words", async () => {
    const more = { autostart: variant("b", true), commandline: variant("as", ["a\nExec=/bin/sh"]) };
    expect(await errorOf(ask(more))).toContain("InvalidArgument");
    expect(existsSync(entry())).toBe(false);
    mkdirSync(join(world.folder, "config"), { recursive: true });
    const status = { ...at("Background"), member: "SetStatus", signature: "a{sv}" } as const;
    await app.call({ ...status, values: [new Map([["message", variant("s", "Playing")]])] });
    const long = new Map([["message", variant("s", "x".repeat(97))]]);
    expect(await errorOf(app.call({ ...status, values: [long] }))).toContain("InvalidArgument");
  });
});

test("autostartEntry() says that the bus starts an app only where the app does", () => {
  const entry = (byBus: boolean): string => autostartEntry("/usr/bin/dowel", "org.example.App", [], byBus);
  expect(entry(true)).toContain("\nDBusActivatable=true\n");
  expect(entry(false)).not.toContain("DBusActivatable");
});

test("autostartEntry() quotes each word", () => {
  expect(autostartEntry("/usr/bin/dowel", "org.example.App", ["a b", "$(x)", "5%"], false)).toContain(
    'Exec="/usr/bin/dowel" "run" "--command=a b" "org.example.App" "\\\\$(x)" "5%%"\n',
  );
});
