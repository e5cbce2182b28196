// SPDX-License-Identifier: Apache-2.0
// A program of GTK in a sandbox, with a window on a real compositor: it is unique on the bus, and looks like the desktop.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { once } from "node:events";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { RawPeer } from "../support/bus.ts";
import { until } from "../support/until.ts";
import { Desktop } from "./desktop.ts";

const id = "org.example.Window";
/** The first one has a window, and ends when another one has activated it. */
const program = `
import gi, sys
gi.require_version("Gtk", "3.0")
from gi.repository import Gtk
def activate(app):
    if app.get_active_window():
        print("activated again", flush=True)
        app.quit()
        return
    window = Gtk.ApplicationWindow(application=app, title="Test")
    window.connect("map-event", lambda *_: print("shown", flush=True))
    window.add(Gtk.Label(label="Hello"))
    window.show_all()
app = Gtk.Application(application_id="${id}")
app.connect("activate", activate)
sys.exit(app.run([]))
`;
/** GTK is too much for an image that a test makes: the app takes the machine's own from where the sandbox shows it. */
const libraries = `/run/host/usr/lib/${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu`;
const variables = {
  PYTHONHOME: "/run/host/usr",
  GI_TYPELIB_PATH: `${libraries}/girepository-1.0`,
  XDG_DATA_DIRS: "/run/host/usr/share",
  XKB_CONFIG_ROOT: "/run/host/usr/share/X11/xkb",
  GDK_BACKEND: "wayland",
};
const run = [
  ...["run", "--no-require-cgroup", "--log-session-bus"],
  ...Object.entries(variables).map(([name, value]) => `--env=${name}=${value}`),
  // Not among the variables: the loader's own folders come first for programs of the runtime.
  ...["--command=sh", id, "-c", `LD_LIBRARY_PATH=${libraries} exec /run/host/usr/bin/python3 /app/main.py`],
];
let desktop: Desktop;

beforeAll(async () => {
  desktop = await Desktop.start(["sh"]);
  desktop.install(id, "[Context]\nsockets=wayland;\nfilesystems=host-os;\n", {
    "files/main.py": program,
  });
  const words = ["--backend=headless-backend.so", "--shell=kiosk-shell.so", "--socket=wayland-7", "--idle-time=0"];
  desktop.host(["weston", ...words]);
  await until("weston", () => statSync(desktop.pit.path("run/wayland-7"), { throwIfNoEntry: false })?.isSocket());
  desktop.variables["WAYLAND_DISPLAY"] = "wayland-7";
});
afterAll(async () => {
  await desktop[Symbol.asyncDispose]();
});

function start() {
  return desktop.pit.start(run, desktop.variables);
}

test("GTK shows a window, asks the portal for settings, and is activated by its second start", async () => {
  const first = start();
  const shown = await Promise.race([once(first.child.stdout, "data").then(() => "shown"), first.outcome]);
  expect(shown).toBe("shown");
  using outside = await RawPeer.connect(desktop.bus.socket);
  const owner = await outside.callBus("GetConnectionUnixProcessID", id);
  expect(readFileSync(`/proc/${owner.values[0]}/root/.flatpak-info`, "utf8")).toStartWith(
    `[Application]\nname=${id}\n`,
  );
  const second = await start().outcome;
  expect([second.status, second.stdout]).toEqual([0, ""]);
  expect(second.stderr).toContain(`-> ${id} call org.gtk.Application.Activate at /org/example/Window\n`);
  const { status, stdout, stderr } = await first.outcome;
  expect([status, stdout]).toEqual([0, "shown\nactivated again\n"]);
  expect(stderr).toMatch(/ call org\.freedesktop\.portal\.Settings\.ReadAll at \/org\/freedesktop\/portal\/desktop\n/);
  expect(readdirSync(desktop.pit.path("run/.flatpak"))).toEqual([]);
  expect((await outside.callBus("NameHasOwner", id)).values).toEqual([0]);
}, 120_000);
