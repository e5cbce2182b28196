// SPDX-License-Identifier: Apache-2.0
// The library over D-Bus: without a desktop, and with the distribution's xdg-desktop-portal and a file chooser of the test's.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { limits } from "../../../src/base/limits.ts";
import { BusCallError } from "../../../src/dbus/errors.ts";
import { implement } from "../../../src/dbus/interface.ts";
import type { Message } from "../../../src/dbus/message.ts";
import type { BusPeer } from "../../../src/dbus/peer.ts";
import { type Variant, variant } from "../../../src/formats/dbus/types.ts";
import type { Decision } from "../../../src/session/portals/decide.ts";
import { Child } from "../../support/bus.ts";
import { errorOf, options } from "./caller.ts";
import { PortalWorld, portalName, portalPath } from "./support.ts";

const library = { destination: portalName, path: portalPath, interface: "org.dowel.portal.Library" } as const;
const backendName = "org.freedesktop.impl.portal.desktop.test";
const notFound = "org.freedesktop.portal.Error.NotFound";

const chooserShape = {
  name: "org.freedesktop.impl.portal.FileChooser",
  methods: {
    OpenFile: {
      in: "o handle, s app_id, s parent_window, s title, a{sv} options",
      out: "u response, a{sv} results",
    },
  },
} as const;

/** What the person does before the dialog. */
type Person = (handle: string, asked: ReadonlyMap<string, Variant>) => Promise<[number, ReadonlyMap<string, Variant>]>;

/** By which the desktop's portal ends a dialog. */
const dialogShape = { name: "org.freedesktop.impl.portal.Request", methods: { Close: { in: "", out: "" } } } as const;

let world: PortalWorld;
let app: BusPeer;
let person: Person;
let says: Decision;
let tokens = 0;
const shown: string[] = [];

beforeEach(() => {
  says = "ask";
  person = async () => [1, new Map()];
  shown.length = 0;
});

async function start(): Promise<void> {
  world = await PortalWorld.device(async () => says);
  app = await world.client();
}

async function end(): Promise<void> {
  app[Symbol.dispose]();
  await world[Symbol.asyncDispose]();
}

/** A folder of the user's. */
function folder(name: string): string {
  const path = join(world.folder, "things", name);
  mkdirSync(path, { recursive: true });
  return path;
}

function picks(path: string, more: Readonly<Record<string, Variant>> = {}): Person {
  return async () => [0, options({ uris: variant("as", [pathToFileURL(path).href]), ...more })];
}

async function openAdd(peer: BusPeer, more: Readonly<Record<string, Variant>>): Promise<string> {
  const call = { ...library, member: "Add", signature: "sa{sv}", returns: "o" } as const;
  return (await peer.call({ ...call, values: ["", options(more)] }))[0];
}

async function add(more: Readonly<Record<string, Variant>> = {}, peer = app): Promise<readonly unknown[]> {
  const token = `t${++tokens}`;
  const path = `${portalPath}/request/${peer.name.slice(1).replace(".", "_")}/${token}`;
  const { promise, resolve } = Promise.withResolvers<Message>();
  using _heard = await peer.listen({ path, member: "Response" }, resolve);
  expect(await openAdd(peer, { ...more, handle_token: variant("s", token) })).toBe(path);
  return (await promise).values ?? [];
}

async function list(): Promise<unknown> {
  const [found] = await app.call({ ...library, member: "List", returns: "aa{sv}" });
  return found.map((one) => Object.fromEntries([...one].map(([key, { value }]) => [key, value])));
}

function remove(name: string): Promise<unknown> {
  return app.call({ ...library, member: "Remove", signature: "s", values: [name] });
}

const shelf = "/run/flatpak/library";

function told(name: string, writable = false) {
  return options({
    name: variant("s", name),
    path: variant("s", `${shelf}/${name}`),
    writable: variant("b", writable),
    available: variant("b", true),
  });
}

describe("a library without a desktop", () => {
  beforeAll(start);
  afterAll(end);

  test("names the command that does what nobody can be asked for, and lists what the command gave", async () => {
    const refused = await openAdd(app, {}).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(BusCallError);
    expect(String(refused)).toContain("dowel library add org.example.App FOLDER");
    expect(await list()).toEqual([]);
    const one = folder("one");
    const entry = { name: "one", path: one, access: "ro" };
    const gone = { name: "gone", path: join(world.folder, "gone"), access: "rw" };
    const { promise, resolve } = Promise.withResolvers<Message>();
    using _heard = await app.listen({ interface: library.interface, member: "Added" }, resolve);
    world.file("dowel/library/org.example.App.json", JSON.stringify({ folders: [entry] }));
    expect((await promise).values).toEqual([told("one")]);
    world.file("dowel/library/org.example.App.json", JSON.stringify({ folders: [entry, gone] }));
    expect(await list()).toEqual([
      { name: "one", path: `${shelf}/one`, writable: false, available: true },
      { name: "gone", path: `${shelf}/gone`, writable: true, available: false },
    ]);
  });

  test("belongs to the profile that the app runs with, and sandboxes without permissions have none", async () => {
    const file = "dowel/library/org.example.App@work.json";
    world.file(file, JSON.stringify({ folders: [{ name: "w", path: folder("w"), access: "rw" }] }));
    world.info("[Application]\nname=org.example.App\n[Instance]\nprofile=work\n");
    using other = await world.client();
    const [found] = await other.call({ ...library, member: "List", returns: "aa{sv}" });
    expect(found).toEqual([told("w", true)]);
    world.info("[Application]\nname=org.example.App\n[Instance]\nsandbox=true\n");
    using without = await world.client();
    const call = without.call({ ...library, member: "List", returns: "aa{sv}" });
    expect(await errorOf(call)).toBe("org.freedesktop.portal.Error.NotAllowed");
    world.info("[Application]\nname=org.example.App\n");
  });

  test("that is damaged on disk is told as such, without its place, and is whole again after", async () => {
    const file = "dowel/library/org.example.App.json";
    const text = readFileSync(join(world.folder, file), "utf8");
    for (const wrong of ["", "{", "[]", '{"folders":[{"name":"../x","path":"/x","access":"rw"}]}', text.slice(0, -3)]) {
      world.file(file, wrong);
      const error = await app
        .call({ ...library, member: "List", returns: "aa{sv}" })
        .catch((reason: unknown) => reason);
      expect(String(error)).toContain("cannot be read");
      expect(String(error)).not.toContain(world.folder);
      expect(await errorOf(remove("one"))).toBe("org.freedesktop.portal.Error.Failed");
    }
    world.file(file, text);
    expect(await list()).toHaveLength(2);
  });

  test.each(["", ".", "..", "/", "a/b", "../one", "/etc", "one\u2028", "x".repeat(70_000)])(
    "takes away nothing for a name that nothing has (%#)",
    async (name) => {
      expect(await errorOf(remove(name))).toBe(notFound);
      expect(await list()).toHaveLength(2);
    },
  );

  test("takes folders away by their names, not by their paths", async () => {
    expect(await errorOf(remove(folder("one")))).toBe(notFound);
    const { promise, resolve } = Promise.withResolvers<Message>();
    using _heard = await app.listen({ interface: library.interface, member: "Removed" }, resolve);
    await remove("one");
    expect((await promise).values).toEqual(["one"]);
    expect(await list()).toMatchObject([{ name: "gone" }]);
  });
});

describe("a library with a desktop", () => {
  let portal: Child;
  let store: Child;
  let backend: BusPeer;

  beforeAll(async () => {
    await start();
    backend = await world.peer();
    const served = implement(chooserShape, {
      methods: {
        async OpenFile(_call, handle, _app, _window, title, asked) {
          shown.push(title);
          return await person(handle, asked);
        },
      },
    });
    backend.objects.export(portalPath, served);
    await backend.requestName(backendName);
    const text = `[portal]\nDBusName=${backendName}\nInterfaces=${chooserShape.name};\nUseIn=test\n`;
    world.file("portals/test.portal", text);
    const environment = {
      HOME: world.folder,
      LANG: "C.UTF-8",
      XDG_DATA_HOME: join(world.folder, "data"),
      XDG_RUNTIME_DIR: folder("run"),
      XDG_DESKTOP_PORTAL_DIR: join(world.folder, "portals"),
      XDG_CURRENT_DESKTOP: "test",
      GSETTINGS_BACKEND: "memory",
      DBUS_SESSION_BUS_ADDRESS: world.bus.address,
    };
    const quiet = ["ignore", "ignore", "ignore"] as const;
    const begin = async (program: string, name: string): Promise<Child> => {
      const { promise, resolve } = Promise.withResolvers<void>();
      using _owner = await backend.watchOwner(name, () => resolve());
      const child = new Child([`/usr/libexec/${program}`], [...quiet], environment);
      await promise;
      return child;
    };
    store = await begin("xdg-permission-store", "org.freedesktop.impl.portal.PermissionStore");
    portal = await begin("xdg-desktop-portal", portalName);
    // The desktop of this connection is one with a portal.
    app[Symbol.dispose]();
    app = await world.client();
  });
  afterAll(async () => {
    await portal[Symbol.asyncDispose]();
    await store[Symbol.asyncDispose]();
    backend[Symbol.dispose]();
    await end();
  });

  test("gets the folder that a person picks in its file chooser, to read", async () => {
    let asked: ReadonlyMap<string, Variant> = new Map();
    const path = folder("Pictures");
    person = async (_handle, given) => {
      asked = given;
      return picks(path)("", given);
    };
    expect(await add({ title: variant("s", "your pictures") })).toEqual([
      0,
      options({ ...Object.fromEntries(told("Pictures")) }),
    ]);
    expect(shown).toEqual(["org.example.App: your pictures"]);
    expect(asked.get("directory")).toEqual(variant("b", true));
    expect(asked.has("choices")).toBe(false);
    expect(await list()).toEqual([{ name: "Pictures", path: `${shelf}/Pictures`, writable: false, available: true }]);
  });

  test("lets the person decide whether the app may write", async () => {
    for (const [answer, writable] of [
      ["false", false],
      ["true", true],
    ] as const) {
      person = picks(folder("Pictures"), { choices: variant("a(ss)", [["write", answer]]) });
      expect(await add({ writable: variant("b", true) })).toEqual([0, told("Pictures", writable)]);
    }
    // No choice of the app's own makes anything of a question for reading.
    person = picks(folder("Pictures"), { choices: variant("a(ss)", [["write", "true"]]) });
    expect(await add()).toEqual([0, told("Pictures")]);
    await remove("Pictures");
  });

  test("gets nothing where the person says no, or nobody is asked", async () => {
    expect(await add()).toEqual([1, new Map()]);
    says = "no";
    expect(await add()).toEqual([1, new Map()]);
    expect(shown).toHaveLength(1);
    expect(await list()).toEqual([]);
  });

  test("gets nothing of what is refused, is no folder, or is not said well; the next request works", async () => {
    const file = world.file("things/file", "text");
    const answers: readonly (readonly string[])[] = [
      ["file:///"],
      ["file:///proc"],
      [pathToFileURL(world.folder).href],
      [pathToFileURL(join(world.folder, ".var/app/org.example.Other")).href],
      [pathToFileURL(file).href],
      [pathToFileURL(folder("missing")).href.replace("missing", "absent")],
      ["file:///tmp/%ff"],
      ["file:///tmp/%00"],
      ["file:///tmp/a%2fb"],
      ["file://elsewhere.example/tmp"],
      ["https://example.org/"],
      [pathToFileURL(folder("a")).href, pathToFileURL(folder("b")).href],
      [],
    ];
    folder("../.var/app/org.example.Other");
    for (const uris of answers) {
      person = async () => [0, options({ uris: variant("as", uris) })];
      expect({ uris, response: (await add())[0] }).toEqual({ uris, response: 2 });
    }
    person = async () => [7, new Map()];
    expect((await add())[0]).toBe(2);
    expect(await list()).toEqual([]);
    person = picks(folder("good"));
    expect((await add())[0]).toBe(0);
    await remove("good");
  });

  test("shows one dialog at a time, however many requests come, and closes it with its request", async () => {
    const dialog = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<void>();
    const hanging = Promise.withResolvers<[number, ReadonlyMap<string, Variant>]>();
    const Close = () => {
      closed.resolve();
      return [] as const;
    };
    person = (handle) => {
      backend.objects.export(handle, implement(dialogShape, { methods: { Close } }));
      dialog.resolve();
      return hanging.promise;
    };
    const first = await openAdd(app, { handle_token: variant("s", "hangs") });
    await dialog.promise;
    using flooder = await world.client();
    const flood = Array.from({ length: 3 * limits.portalRequests }, (_, index) =>
      errorOf(openAdd(flooder, { handle_token: variant("s", `f${index}`) })),
    );
    for (const outcome of await Promise.all(flood)) expect(outcome).toEndWith("LimitsExceeded");
    expect(shown).toHaveLength(1);
    // Nobody closes the request of another.
    const close = {
      destination: portalName,
      path: first,
      interface: "org.freedesktop.portal.Request",
      member: "Close",
    };
    expect(await errorOf(flooder.call(close))).toMatch(/Unknown(Object|Method)$/);
    await app.call(close);
    await closed.promise;
    hanging.resolve([0, options({ uris: variant("as", [pathToFileURL(folder("late")).href]) })]);
    person = picks(folder("next"));
    expect(await add()).toEqual([0, told("next")]);
    expect(await list()).toMatchObject([{ name: "next" }]);
    await remove("next");
  });

  test.each([
    [{ handle_token: variant("s", "../x") }],
    [{ handle_token: variant("s", "x".repeat(129)) }],
    [{ writable: variant("s", "yes") }],
    [{ title: variant("u", 1) }],
    [{ title: variant("s", "x".repeat(201)) }],
  ])("refuses options that make no sense (%#)", async (more) => {
    expect(await errorOf(openAdd(app, more))).toBe("org.freedesktop.portal.Error.InvalidArgument");
    expect(shown).toEqual([]);
  });

  test("gives other names to folders of the same name, and shows them in the file that commands read", async () => {
    for (const [parent, name] of [
      ["x", "Same"],
      ["y", "Same-2"],
    ] as const) {
      person = picks(folder(`${parent}/Same`));
      expect(await add()).toEqual([0, told(name)]);
    }
    const text = readFileSync(join(world.folder, "dowel/library/org.example.App.json"), "utf8");
    expect(JSON.parse(text).folders.map(({ name }: { name: string }) => name)).toEqual(["Same", "Same-2"]);
    rmSync(join(world.folder, "things/x"), { recursive: true });
    expect(await list()).toMatchObject([{ available: false }, { available: true }]);
  });
});
