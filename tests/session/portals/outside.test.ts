// SPDX-License-Identifier: Apache-2.0
// Portals that lead out of the sandbox: addresses, files, mail, and who the user is.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, closeSync, constants, existsSync, openSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { basename, join } from "node:path";
import type { BusPeer } from "../../../src/dbus/peer.ts";
import { variant } from "../../../src/formats/dbus/types.ts";
import { noBackends } from "../../../src/session/portals/backends.ts";
import type { Decision } from "../../../src/session/portals/decide.ts";
import { handlerOf } from "../../../src/session/portals/opener.ts";
import { O_PATH } from "../../../src/sys/beneath.ts";
import { userName } from "../../../src/sys/username.ts";
import { at, errorOf, options, request } from "./caller.ts";
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
beforeEach(() => {
  says = undefined;
  world.backends = noBackends;
  rmSync(join(world.folder, "said"), { force: true });
});

/** Lets a command of the maker's write down what it is asked for. */
function command(name: "open" | "email" | "ask", script = ""): void {
  const path = world.file(name, `#!/bin/sh\ncat > ${world.folder}/said\n${script}\n`);
  world.backends = { ...world.backends, commands: new Map([...world.backends.commands, [name, [path]]]) };
}

function said(): unknown {
  return JSON.parse(readFileSync(join(world.folder, "said"), "utf8"));
}

const notAllowed = "org.freedesktop.portal.Error.NotAllowed";
const invalid = "org.freedesktop.portal.Error.InvalidArgument";

describe("OpenURI", () => {
  test("hands an address to the maker's command, as data and not as words", async () => {
    command("open");
    const uri = "https://example.org/$(touch%20x)?a=1&b='\"";
    expect(await request(app, "OpenURI", "OpenURI", "ss", ["", uri])).toEqual([0, new Map()]);
    expect(said()).toEqual({ app: "org.example.App", uri, type: "x-scheme-handler/https" });
    command("open", "exit 1");
    expect(await request(app, "OpenURI", "OpenURI", "ss", ["", uri])).toEqual([2, new Map()]);
    says = "no";
    expect(await request(app, "OpenURI", "OpenURI", "ss", ["", uri])).toEqual([1, new Map()]);
  });

  test("answers 2 where nothing opens an address", async () => {
    expect(await request(app, "OpenURI", "OpenURI", "ss", ["", "foo:bar"])).toEqual([2, new Map()]);
    const call = { ...at("OpenURI"), member: "SchemeSupported", signature: "sa{sv}", returns: "b" } as const;
    expect(await app.call({ ...call, values: ["foo", options()] })).toEqual([false]);
    command("open");
    expect(await app.call({ ...call, values: ["foo", options()] })).toEqual([true]);
    expect(await app.call({ ...call, values: ["file", options()] })).toEqual([false]);
  });

  test.each([
    ["file:///etc/passwd", notAllowed],
    ["FILE:///etc/passwd", notAllowed],
    ["", invalid],
    ["no address", invalid],
    ["http://a\nb", invalid],
    ["../etc/passwd", invalid],
    [`http:${"x".repeat(70_000)}`, invalid],
  ])("refuses wrong addresses (%#)", async (uri, error) => {
    command("open");
    expect(await errorOf(request(app, "OpenURI", "OpenURI", "ss", ["", uri]))).toBe(error);
    expect(existsSync(join(world.folder, "said"))).toBe(false);
  });

  test("opens a file that the app holds open, and lets nobody write by it who cannot", async () => {
    command("open");
    const path = world.file("letter.txt", "hello\n");
    const fd = openSync(path, "r");
    expect(await request(app, "OpenURI", "OpenFile", "sh", ["", fd])).toEqual([0, new Map()]);
    const uri = "file:///proc/self/fd/3";
    expect(said()).toEqual({ app: "org.example.App", uri, name: "letter.txt", type: "text/plain" });
    const writable = { writable: variant("b", true) };
    expect(await request(app, "OpenURI", "OpenFile", "sh", ["", fd], writable)).toEqual([0, new Map()]);
    const wasOpen = openSync(path, "r+");
    chmodSync(path, 0o444);
    for (const one of [fd, wasOpen]) {
      expect(await errorOf(request(app, "OpenURI", "OpenFile", "sh", ["", one], writable))).toBe(notAllowed);
    }
    closeSync(wasOpen);
    expect(await request(app, "OpenURI", "OpenDirectory", "sh", ["", fd])).toEqual([0, new Map()]);
    expect(said()).toMatchObject({ uri, name: basename(world.folder), type: "inode/directory" });
    rmSync(path);
    symlinkSync("/etc/passwd", path);
    for (const member of ["OpenFile", "OpenDirectory"]) {
      expect(await errorOf(request(app, "OpenURI", member, "sh", ["", fd]))).toBe(notAllowed);
    }
    closeSync(fd);
  });

  test("lets what opens a file write to it only where the app asks for that", async () => {
    command("open", `sed -n 's/^flags:[^0-9]*//p' /proc/self/fdinfo/3 > ${world.folder}/flags`);
    const flags = (): number => Number.parseInt(readFileSync(join(world.folder, "flags"), "latin1"), 8);
    const fd = openSync(world.file("shared.txt", "hello\n"), "r+");
    for (const member of ["OpenFile", "OpenDirectory"]) {
      expect(await request(app, "OpenURI", member, "sh", ["", fd])).toEqual([0, new Map()]);
      expect(flags() & (O_PATH | constants.O_WRONLY | constants.O_RDWR)).toBe(0);
    }
    const writable = { writable: variant("b", true) };
    expect(await request(app, "OpenURI", "OpenFile", "sh", ["", fd], writable)).toEqual([0, new Map()]);
    expect(flags() & O_PATH).toBe(O_PATH);
    closeSync(fd);
  });

  test("opens the file that the app holds, whatever it puts in its place while somebody is asked", async () => {
    const path = world.file("swapped.txt", "its own");
    const secret = world.file("secret.txt", "secret");
    const fd = openSync(path, "r");
    command("ask", `ln -sf ${secret} ${path}`);
    command("open", `cat /proc/self/fd/3 > ${world.folder}/content`);
    says = "ask";
    expect(await request(app, "OpenURI", "OpenFile", "sh", ["", fd])).toEqual([0, new Map()]);
    expect(readFileSync(path, "utf8")).toBe("secret");
    expect(readFileSync(join(world.folder, "content"), "utf8")).toBe("its own");
    closeSync(fd);
  });

  test("opens nothing that only names a file: neither one that the app cannot read, nor a link or a device", async () => {
    command("open");
    const path = world.file("closed", "closed");
    const link = join(world.folder, "leading");
    symlinkSync("closed", link);
    chmodSync(path, 0o200);
    for (const [fd, error] of [
      [openSync(path, O_PATH), notAllowed],
      [openSync(link, O_PATH), notAllowed],
      [openSync(link, O_PATH | constants.O_NOFOLLOW), invalid],
      [openSync("/dev/null", "r"), invalid],
    ] as const) {
      for (const member of ["OpenFile", "OpenDirectory"]) {
        expect(await errorOf(request(app, "OpenURI", member, "sh", ["", fd]))).toBe(error);
      }
      closeSync(fd);
    }
    expect(existsSync(join(world.folder, "said"))).toBe(false);
  });
});

describe("handlerOf()", () => {
  const type = "x-scheme-handler/web";
  const entry = (exec: string, more = "X-Flatpak=org.example.Web\n") =>
    `[Desktop Entry]\nType=Application\n${more}MimeType=${type};text/html;\nExec=${exec}\n`;

  test("takes installed apps alone, the preferred one first", () => {
    const environment = { HOME: world.folder, XDG_CONFIG_HOME: `${world.folder}/c`, DOWEL_USER_DIR: world.folder };
    expect(handlerOf(type, "web:x", environment)).toBeUndefined();
    const folder = "exports/share/applications";
    world.file(`${folder}/a.desktop`, entry("/bin/sh -c %u", ""));
    world.file(`${folder}/b.desktop`, entry("dowel run org.example.None"));
    world.file(`${folder}/c.desktop`, entry("dowel run --file-forwarding org.example.Web @@u %U @@ %i 5%%"));
    world.file(`${folder}/d.desktop`, entry('dowel run --command="a b" org.example.Other %u'));
    const first = ["run", "--file-forwarding", "org.example.Web", "@@u", "web:x", "@@", "5%"];
    expect(handlerOf(type, "web:x", environment)).toEqual(first);
    world.file("c/mimeapps.list", `[Default Applications]\n${type}=../a.desktop;d.desktop;\n`);
    expect(handlerOf(type, "web:x", environment)).toEqual(["run", "--command=a b", "org.example.Other", "web:x"]);
    expect(handlerOf("text/plain", "web:x", environment)).toBeUndefined();
  });
});

describe("Email", () => {
  const compose = (more: Parameters<typeof request>[5]) => request(app, "Email", "ComposeEmail", "s", [""], more);

  test("gives the mail to the maker's command, or a mailto address to what opens those", async () => {
    const mail = {
      address: variant("s", "ann@example.org"),
      cc: variant("as", ["bob@example.org"]),
      subject: variant("s", "A & B"),
      body: variant("s", "one\ntwo"),
    };
    command("open");
    expect(await compose(mail)).toEqual([0, new Map()]);
    const uri = "mailto:ann%40example.org?cc=bob%40example.org&subject=A%20%26%20B&body=one%0D%0Atwo";
    expect(said()).toMatchObject({ uri, type: "x-scheme-handler/mailto" });
    command("email");
    expect(await compose(mail)).toEqual([0, new Map()]);
    expect(said()).toEqual({
      app: "org.example.App",
      ...{ to: ["ann@example.org"], cc: ["bob@example.org"], bcc: [], subject: "A & B", body: "one\ntwo" },
      attachments: [],
    });
  });

  test("hands files on that the app holds open, and nothing else", async () => {
    const path = world.file("picture.png", "x");
    const [file, folder] = [openSync(path, "r"), openSync(world.folder, "r")];
    const closed = world.file("closed", "closed");
    chmodSync(closed, 0o200);
    const named = openSync(closed, O_PATH);
    const attach = (...fds: readonly number[]) => compose({ attachment_fds: variant("ah", fds) });
    const other = openSync(world.file("other.txt", "y"), "r");
    command("email", `cat /proc/self/fd/3 /proc/self/fd/4 > ${world.folder}/content`);
    expect(await attach(file, other)).toEqual([0, new Map()]);
    const attachments = [
      { name: basename(path), file: "/proc/self/fd/3" },
      { name: "other.txt", file: "/proc/self/fd/4" },
    ];
    expect(said()).toMatchObject({ attachments });
    expect(readFileSync(join(world.folder, "content"), "utf8")).toBe("xy");
    closeSync(other);
    expect(await errorOf(attach(folder))).toBe(invalid);
    expect(await errorOf(attach(file, named))).toBe(notAllowed);
    expect(await errorOf(compose({ attachment_fds: variant("s", path) }))).toBe(invalid);
    world.backends = noBackends;
    command("open");
    expect(await errorOf(attach(file))).toBe(invalid);
    for (const fd of [file, folder, named]) closeSync(fd);
  });

  test.each([
    [{ address: variant("s", "ann@example.org\nBcc: all@example.org") }],
    [{ addresses: variant("as", ["ann@example.org,bob@example.org"]) }],
    [{ bcc: variant("s", "ann@example.org") }],
    [{ subject: variant("s", "a\r\nBcc: all@example.org") }],
    [{ body: variant("s", "x".repeat(70_000)) }],
  ])("refuses wrong fields (%#)", async (more) => {
    command("email");
    expect(await errorOf(compose(more))).toBe(invalid);
  });
});

describe("Account", () => {
  const who = () => request(app, "Account", "GetUserInformation", "s", [""], { reason: variant("s", "why") });

  test("tells who the user is only where somebody says yes", async () => {
    expect(await who()).toEqual([1, new Map()]);
    command("ask", "exit 1");
    expect(await who()).toEqual([1, new Map()]);
    expect(said()).toEqual({ app: "org.example.App", table: "account", id: "account", reason: "why" });
    command("ask");
    const [response, results] = (await who()) as [number, Map<string, unknown>];
    expect(response).toBe(0);
    expect(results.get("id")).toEqual(variant("s", userName()));
    says = "yes";
    expect((await who())[0]).toBe(0);
    says = "no";
    expect((await who())[0]).toBe(1);
  });
});
