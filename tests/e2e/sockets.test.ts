// SPDX-License-Identifier: Apache-2.0
// What comes into a sandbox from the session: sockets, keys and folders that helpers of the session keep.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { makeLayout, ordinaryUser, Sandpit } from "./support.ts";

const id = "org.example.Probe";
/** A display that no server on this machine is likely to have. */
const display = 7341;

/** An entry of an Xauthority file (Xauth(3)) for a display of this machine. */
function key(number: number, byte: number): Buffer {
  const fields = [hostname(), String(number), "MIT-MAGIC-COOKIE-1"].map((text) => Buffer.from(text));
  const parts = [...fields, Buffer.alloc(16, byte)].flatMap((part) => [Buffer.from([0, part.length]), part]);
  return Buffer.concat([Buffer.from([1, 0]), ...parts]);
}

describe("what the session gives", () => {
  const pit = new Sandpit(ordinaryUser);
  const servers: Server[] = [];
  const authority = pit.path("work/authority");
  const xSocket = `/tmp/.X11-unix/X${display}`;
  const environment = {
    DISPLAY: `:${display}.0`,
    XAUTHORITY: authority,
    WAYLAND_DISPLAY: "wayland-3",
    SSH_AUTH_SOCK: pit.path("run/ssh"),
  };
  const sockets = ["run/wayland-3", "run/pulse/native", "run/ssh", "run/gnupg/S.gpg-agent", "run/bus"];

  function read(options: readonly string[], ...paths: readonly string[]): Record<string, unknown>[] {
    const lines = pit
      .succeed(["run", ...options, id, "files", ...paths], { environment })
      .trim()
      .split("\n");
    return lines.map((line) => JSON.parse(line));
  }

  function variables(...options: readonly string[]): Record<string, string> {
    return JSON.parse(pit.succeed(["run", ...options, id, "env"], { environment })).variables;
  }

  beforeAll(async () => {
    const layout = makeLayout(pit.path("images"));
    mkdirSync(pit.path("run/doc/by-app", id), { recursive: true });
    writeFileSync(pit.path("run/doc/by-app", id, "letter"), "shown by the portal");
    for (const path of [...sockets.map((name) => pit.path(name)), xSocket]) {
      mkdirSync(dirname(path), { recursive: true });
      const server = createServer();
      await new Promise<void>((done) => server.listen(path, done));
      servers.push(server);
    }
    writeFileSync(authority, Buffer.concat([key(1, 0xbb), key(display, 0xaa)]));
    for (const name of ["images", "home", "work", "run"]) pit.own(pit.path(name));
    pit.succeed(["install", "--user", "-y", `oci:${layout}`, id]);
  });
  afterAll(() => {
    for (const server of servers) server.close();
    rmSync(xSocket, { force: true });
    pit[Symbol.dispose]();
  });

  test("nothing of it without a permission, and no variable that tells of it", () => {
    const names = ["wayland-3", "pulse/native", "ssh-auth", "Xauthority"].map((name) => `/run/flatpak/${name}`);
    for (const record of read([], ...names, xSocket, `/run/user/${ordinaryUser}/gnupg/S.gpg-agent`)) {
      expect(record).toMatchObject({ stat: "ENOENT" });
    }
    const found = variables();
    for (const name of [...Object.keys(environment), "PULSE_SERVER"]) expect(found[name]).toBeUndefined();
  });

  test("X11 comes with the key of its own display only", () => {
    const [socket, found] = read(["--socket=x11"], xSocket, "/run/flatpak/Xauthority");
    expect(socket).toMatchObject({ kind: "socket" });
    expect(found?.["size"]).toBe(2 + 2 + 2 + String(display).length + 2 + 18 + 2 + 16);
    expect(variables("--socket=x11")).toMatchObject({ DISPLAY: `:${display}`, XAUTHORITY: "/run/flatpak/Xauthority" });
    const printed = pit.succeed(["plumbing", "spec", "--socket=x11", id], { environment });
    expect(printed).not.toContain(Buffer.from("aa".repeat(16), "hex").toString("base64").slice(0, 12));
  });

  test("fallback-x11 gives X11 only where there is no Wayland", () => {
    expect(read(["--socket=fallback-x11"], xSocket)[0]).toMatchObject({ stat: "ENOENT" });
    rmSync(pit.path("run/wayland-3"));
    expect(read(["--socket=fallback-x11"], xSocket)[0]).toMatchObject({ kind: "socket" });
  });

  test.each([
    ["pulseaudio", "/run/flatpak/pulse/native", "PULSE_SERVER"],
    ["ssh-auth", "/run/flatpak/ssh-auth", "SSH_AUTH_SOCK"],
    ["session-bus", "/run/flatpak/bus", "DBUS_SESSION_BUS_ADDRESS"],
    ["gpg-agent", `/run/user/${ordinaryUser}/gnupg/S.gpg-agent`, undefined],
  ])("--socket=%s gives %s", (socket, path, variable) => {
    expect(read([`--socket=${socket}`], path)[0]).toMatchObject({ kind: "socket" });
    if (variable !== undefined) expect(variables(`--socket=${socket}`)[variable]).toContain(path);
  });

  test("the document portal's files are there, but not with --no-documents-portal or --sandbox", () => {
    const path = "/run/flatpak/doc/letter";
    expect(read([], path, `/run/user/${ordinaryUser}/doc/letter`)).toMatchObject([
      { content: "shown by the portal" },
      { content: "shown by the portal" },
    ]);
    for (const option of ["--no-documents-portal", "--sandbox"]) {
      expect(read([option], path)[0]).toMatchObject({ stat: "ENOENT" });
    }
  });

  test("instances of an app share the runtime folder, whatever they leave in it", () => {
    const folder = pit.path("run/dowel/apps", id, "run");
    const inside = `/run/user/${ordinaryUser}`;
    writeFileSync(`${folder}/left`, "left");
    rmSync(`${folder}/flatpak-info`);
    mkdirSync(`${folder}/flatpak-info`);
    expect(read([], `${inside}/left`)[0]).toMatchObject({ content: "left" });
    expect(read(["--sandbox"], `${inside}/left`)[0]).toMatchObject({ stat: "ENOENT" });
    rmSync(`${folder}/flatpak-info`, { recursive: true });
    expect(read([], `${inside}/flatpak-info`)[0]).toMatchObject({ kind: "symlink", to: "../../../.flatpak-info" });
    expect(statSync(folder).mode & 0o777).toBe(0o700);
  });

  test("instances of an app share /dev/shm with the feature, and not without", () => {
    const shared = pit.path("run/dowel/apps", id, "shm/segment");
    expect(read(["--allow=per-app-dev-shm"], "/dev/shm")[0]).toMatchObject({ write: "OK" });
    writeFileSync(shared, "shared");
    expect(read(["--allow=per-app-dev-shm"], "/dev/shm/segment")[0]).toMatchObject({ content: "shared" });
    expect(read([], "/dev/shm/segment")[0]).toMatchObject({ stat: "ENOENT" });
  });
});
