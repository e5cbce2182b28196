// SPDX-License-Identifier: Apache-2.0
// The service's own portals beside real programs: GDBus, libportal, and the distribution's xdg-desktop-portal.
import { afterEach, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { variant } from "../../src/formats/dbus/types.ts";
import { noBackends } from "../../src/session/portals/backends.ts";
import { at, property } from "../session/portals/caller.ts";
import { PortalWorld, portalName, portalPath } from "../session/portals/support.ts";
import { Child } from "../support/bus.ts";

let world: PortalWorld;

async function start(): Promise<void> {
  world = await PortalWorld.device(async (_app, _table, _id, otherwise) => otherwise);
  world.info("[Application]\nname=org.example.App\n[Context]\nshared=network;\n");
}
afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

/** What a program prints that talks to the session bus as an app in the sandbox. */
async function asApp(words: readonly [string, ...string[]]): Promise<string> {
  const [program, ...rest] = words;
  const env = {
    PATH: process.env["PATH"] ?? "",
    DBUS_SESSION_BUS_ADDRESS: `unix:path=${world.socket}`,
    HOME: world.folder,
  };
  const child = spawn(program, rest, { env, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data: Buffer) => (said += data.toString()));
  await once(child, "close");
  return said;
}

function call(method: string, ...words: readonly string[]): Promise<string> {
  const [target, path] = [
    ["--dest", portalName],
    ["--object-path", portalPath],
  ];
  return asApp([
    "gdbus",
    "call",
    "--session",
    ...target,
    ...path,
    "--method",
    `org.freedesktop.portal.${method}`,
    ...words,
  ]);
}

const script = `
import sys, gi
gi.require_version("Xdp", "1.0")
from gi.repository import Gio, GLib, Xdp
portal, loop, said = Xdp.Portal.new(), GLib.MainLoop(), []
def step(start, finish):
    def done(source, result):
        try:
            said.append(finish(result))
        except GLib.Error as error:
            said.append(error.message)
        loop.quit()
    start(done)
    loop.run()
notice = GLib.Variant("a{sv}", {"title": GLib.Variant("s", "Done")})
step(lambda done: portal.add_notification("one", notice, 0, None, done), portal.add_notification_finish)
step(lambda done: portal.get_user_information(None, "why", 0, None, done), portal.get_user_information_finish)
step(lambda done: portal.trash_file(sys.argv[1], None, done), portal.trash_file_finish)
step(lambda done: portal.request_background(None, "why", ["serve"], Xdp.BackgroundFlags.AUTOSTART, None, done), portal.request_background_finish)
settings = Gio.DBusProxy.new_for_bus_sync(Gio.BusType.SESSION, 0, None, "${portalName}", "${portalPath}", "org.freedesktop.portal.Settings", None)
said.append(settings.call_sync("ReadOne", GLib.Variant("(ss)", ("org.freedesktop.appearance", "contrast")), 0, -1, None).unpack()[0])
print(said)
`;

test("libportal and GDBus use the portals of a device", async () => {
  await start();
  const path = world.file("notify", `#!/bin/sh\ncat > ${world.folder}/said\n`);
  world.backends = { ...noBackends, commands: new Map([["notify", [path]]]) };
  const file = world.file("docs/old.txt", "old");
  expect(await asApp(["/usr/bin/python3", "-c", script, file])).toBe(
    "[True, 'Account call canceled user', True, True, 0]\n",
  );
  expect(readFileSync(join(world.folder, "said"), "utf8")).toContain('"title":"Done"');
  expect(readFileSync(join(world.folder, "data/Trash/files/old.txt"), "utf8")).toBe("old");
  expect(await call("Settings.Read", "org.freedesktop.appearance", "color-scheme")).toBe("(<<uint32 0>>,)\n");
  expect(await call("ProxyResolver.Lookup", "http://localhost/")).toBe("(['direct://'],)\n");
}, 120_000);

test("the desktop's portal keeps what it serves; the rest is added to its name", async () => {
  await start();
  mkdirSync(join(world.folder, "portals"));
  const environment = {
    PATH: process.env["PATH"] ?? "",
    HOME: world.folder,
    XDG_RUNTIME_DIR: world.folder,
    XDG_DESKTOP_PORTAL_DIR: join(world.folder, "portals"),
    DBUS_SESSION_BUS_ADDRESS: world.bus.address,
    GSETTINGS_BACKEND: "memory",
  };
  await using _desktop = new Child(["/usr/libexec/xdg-desktop-portal"], ["ignore", "ignore", "ignore"], environment);
  using watcher = await world.peer();
  while ((await watcher.ownerOf(portalName)) === "") await Bun.sleep(5);
  using app = await world.client();
  // Served by the desktop of Debian 12 in its own version, and by nobody but the service.
  expect(await property(app, "NetworkMonitor", "version")).toBe(3);
  expect(await property(app, "Usb", "version")).toBe(1);
  expect(await app.ownerOf(portalName)).toBe(await watcher.ownerOf(portalName));
  const read = { ...at("Settings"), member: "ReadOne", signature: "ss", returns: "v" } as const;
  const one = await app.call({ ...read, values: ["org.freedesktop.appearance", "contrast"] });
  expect(one).toEqual([variant("u", 0)]);
  expect(await call("Usb.EnumerateDevices", "@a{sv} {}")).toBe("(@a(sa{sv}) [],)\n");
  world.backends = { ...noBackends, interfaces: new Map([["org.freedesktop.portal.Usb", "off"]]) };
  expect(await call("Usb.EnumerateDevices", "@a{sv} {}")).toContain("UnknownMethod");
}, 120_000);
