// SPDX-License-Identifier: Apache-2.0
// Screens and other people's keyboards: the distribution's xdg-desktop-portal serves them, with a backend that lets
// everybody have everything, and the gateway passes on what it hands out.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { implement } from "../../src/dbus/interface.ts";
import type { BusPeer } from "../../src/dbus/peer.ts";
import { type Variant, variant } from "../../src/formats/dbus/types.ts";
import { PipewireClient } from "../../src/session/pipewire/client.ts";
import { at, errorOf, options, request } from "../session/portals/caller.ts";
import { PortalWorld, portalName } from "../session/portals/support.ts";
import { Child } from "../support/bus.ts";
import { untilListening } from "../support/listening.ts";
import { startPermissionStore } from "../support/permissionstore.ts";
import { until } from "../support/until.ts";

const backendName = "org.freedesktop.impl.portal.desktop.test";
const ask = { in: "o handle, o session_handle, s app_id, a{sv} options", out: "u response, a{sv} results" } as const;
const start = {
  in: "o handle, o session_handle, s app_id, s parent_window, a{sv} options",
  out: "u response, a{sv} results",
} as const;
const properties = { AvailableSourceTypes: "u", AvailableCursorModes: "u", version: "u" } as const;
const screenCast = {
  name: "org.freedesktop.impl.portal.ScreenCast",
  methods: { CreateSession: ask, SelectSources: ask, Start: start },
  properties,
} as const;
const remoteDesktop = {
  name: "org.freedesktop.impl.portal.RemoteDesktop",
  methods: {
    CreateSession: ask,
    SelectDevices: ask,
    Start: start,
    NotifyKeyboardKeycode: { in: "o session_handle, a{sv} options, i keycode, u state", out: "" },
  },
  properties: { AvailableDeviceTypes: "u", version: "u" },
} as const;

let world: PortalWorld;
let backend: BusPeer;
let app: BusPeer;
interface Dumped {
  readonly id: number;
  readonly info?: { readonly props?: Readonly<Record<string, unknown>> };
}

const children: AsyncDisposable[] = [];
/** What the backend was asked. */
const asked: string[] = [];
let stream = 0;

beforeAll(async () => {
  world = await PortalWorld.device(async (_app, _table, _id, otherwise) => otherwise);
});
afterAll(async () => {
  app?.[Symbol.dispose]();
  backend?.[Symbol.dispose]();
  for (const child of children.reverse()) await child[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
});

test("without a desktop there are no screens, and the error is that of an interface that nobody has", async () => {
  using alone = await world.client();
  for (const name of ["ScreenCast", "RemoteDesktop"]) {
    const error = await errorOf(request(alone, name, "CreateSession", "", []));
    expect(error).toBe("org.freedesktop.DBus.Error.UnknownInterface");
  }
});

/** PipeWire with one source of pictures. */
async function startPipewire(environment: Record<string, string>): Promise<void> {
  const camera =
    "{ factory = spa-node-factory args = { factory.name = videotestsrc node.name = screen media.class = Video/Source } }";
  const libraries = "context.spa-libs = { videotestsrc = videotestsrc/libspa-videotestsrc }";
  const folder = join(world.folder, "config/pipewire/pipewire.conf.d");
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, "test.conf"),
    `${libraries}\ncontext.objects = [ ${camera} ${camera.replace("= screen", "= eye")} ]\n`,
  );
  children.push(new Child(["pipewire"], ["ignore", "ignore", "ignore"], environment));

  await untilListening("PipeWire", join(world.folder, "pipewire-0"));
}

/** The number of the node that is shared. */
async function screenNode(env: Record<string, string>): Promise<number> {
  for (;;) {
    const { status, stdout } = spawnSync("pw-dump", ["--no-colors"], { env, encoding: "utf8" });
    const all = status === 0 ? (JSON.parse(stdout) as readonly Dumped[]) : [];
    const found = all.find(({ info }) => info?.props?.["node.name"] === "screen");
    if (found !== undefined) return found.id;
    await Bun.sleep(5);
  }
}

function serveBackend(): void {
  const yes = (what: string, results: Readonly<Record<string, Variant>> = {}) => {
    asked.push(what);
    return [0, options(results)] as const;
  };
  const path = "/org/freedesktop/portal/desktop";
  const streams = variant("a(ua{sv})", [[stream, options()]]);
  backend.objects.export(
    path,
    implement(screenCast, {
      methods: {
        CreateSession: () => yes("session"),
        SelectSources: () => yes("sources"),
        Start: () => yes("start", { streams }),
      },
      properties: { AvailableSourceTypes: () => 1, AvailableCursorModes: () => 1, version: () => 4 },
    }),
  );
  backend.objects.export(
    path,
    implement(remoteDesktop, {
      methods: {
        CreateSession: () => yes("session"),
        SelectDevices: () => yes("devices"),
        Start: () => yes("start", { devices: variant("u", 1) }),
        NotifyKeyboardKeycode: (_call, _session, _options, keycode, state) => {
          asked.push(`key ${keycode} ${state}`);
          return [];
        },
      },
      properties: { AvailableDeviceTypes: () => 1, version: () => 1 },
    }),
  );
}

async function startDesktop(): Promise<void> {
  const portals = join(world.folder, "portals");
  const interfaces = [screenCast, remoteDesktop].map(({ name }) => `${name};`).join("");
  mkdirSync(portals);
  writeFileSync(
    join(portals, "test.portal"),
    `[portal]\nDBusName=${backendName}\nInterfaces=${interfaces}\nUseIn=test\n`,
  );
  const environment = {
    ...{ PATH: "/usr/bin:/bin", HOME: world.folder, LANG: "C.UTF-8", GSETTINGS_BACKEND: "memory" },
    ...{ XDG_RUNTIME_DIR: world.folder, XDG_CONFIG_HOME: join(world.folder, "config") },
    ...{ XDG_DESKTOP_PORTAL_DIR: portals, XDG_CURRENT_DESKTOP: "test", DBUS_SESSION_BUS_ADDRESS: world.bus.address },
  };
  await startPipewire(environment);
  backend = await world.peer();
  stream = await screenNode(environment);
  serveBackend();
  await backend.requestName(backendName);
  children.push(await startPermissionStore(world.bus, join(world.folder, "data")));
  children.push(new Child(["/usr/libexec/xdg-desktop-portal"], ["ignore", "ignore", "ignore"], environment));
  while ((await backend.ownerOf(portalName)) === "") await Bun.sleep(5);
  app = await world.client();
}

describe("with a desktop", () => {
  beforeAll(startDesktop);

  const results = ([, found]: readonly unknown[]) => found as ReadonlyMap<string, Variant>;
  const begin = async (name: string): Promise<string> => {
    asked.length = 0;
    const made = await request(app, name, "CreateSession", "", [], { session_handle_token: variant("s", name) });
    expect(made[0]).toBe(0);
    return String(results(made).get("session_handle")?.value);
  };
  const open = (session: string) =>
    app.call(
      {
        ...at("ScreenCast"),
        member: "OpenPipeWireRemote",
        signature: "oa{sv}",
        values: [session, options()],
        returns: "h",
      },
      { keepDescriptors: true },
    );

  test("a screen that was picked comes through the gateway as a connection to PipeWire that shows it alone", async () => {
    const session = await begin("ScreenCast");
    expect((await request(app, "ScreenCast", "SelectSources", "o", [session]))[0]).toBe(0);
    const started = await request(app, "ScreenCast", "Start", "os", [session, ""]);
    expect(results(started).get("streams")?.value).toEqual([[stream, new Map()]]);
    expect(asked).toEqual(["session", "sources", "start"]);
    const [fd] = await open(session);
    using client = new PipewireClient(world.loop, fd, () => undefined);
    await client.sync();
    expect(client.globals.hasNode((node) => node.get("node.name") === "screen")).toBe(true);
    expect(client.globals.hasNode((node) => node.get("node.name") !== "screen")).toBe(false);
    using other = await world.client();
    const stolen = { ...at("ScreenCast"), member: "OpenPipeWireRemote", signature: "oa{sv}", returns: "h" } as const;
    expect(await errorOf(other.call({ ...stolen, values: [session, options()] }))).toContain("AccessDenied");
  });

  test("what an app does with a keyboard that it was lent reaches the backend", async () => {
    const session = await begin("RemoteDesktop");
    expect((await request(app, "RemoteDesktop", "SelectDevices", "o", [session]))[0]).toBe(0);
    expect((await request(app, "RemoteDesktop", "Start", "os", [session, ""]))[0]).toBe(0);
    const press = { ...at("RemoteDesktop"), member: "NotifyKeyboardKeycode", signature: "oa{sv}iu" } as const;
    await app.call({ ...press, values: [session, options(), 30, 1] });
    await until("the key", () => asked.includes("key 30 1"));
    expect(asked).toEqual(["session", "devices", "start", "key 30 1"]);
  });
});
