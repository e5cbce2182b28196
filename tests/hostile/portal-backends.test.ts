// SPDX-License-Identifier: Apache-2.0
// Those whom portals ask hang, die or talk nonsense, and apps give texts that are no names: errors of the portals' own
// kind, nothing is decided in the app's favour, and the next request works.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, openSync, rmSync } from "node:fs";
import { join } from "node:path";
import { limits } from "../../src/base/limits.ts";
import { implement } from "../../src/dbus/interface.ts";
import type { BusPeer } from "../../src/dbus/peer.ts";
import { type Variant, variant } from "../../src/formats/dbus/types.ts";
import type { Decide } from "../../src/session/portals/decide.ts";
import { documentsPlace } from "../../src/session/portals/documents.ts";
import { decideByStore } from "../../src/session/portals/stored.ts";
import { closeDescriptors } from "../../src/sys/transfer.ts";
import { at, errorOf, options, property } from "../session/portals/caller.ts";
import { PortalWorld, portalName, portalPath } from "../session/portals/support.ts";
import { until } from "../support/until.ts";

const backendName = "org.example.Dialogs";
const failed = "org.freedesktop.portal.Error.Failed";
const notFound = "org.freedesktop.portal.Error.NotFound";
const invalid = "org.freedesktop.portal.Error.InvalidArgument";
let decide: Decide;
let world: PortalWorld;
let app: BusPeer;

beforeAll(async () => {
  world = await PortalWorld.device((...words) => decide(...words));
  const environment = { XDG_DATA_HOME: join(world.folder, "data") };
  decide = decideByStore(world.loop, environment, (error) => world.failures.push(error));
  const keys = `DBusName=${backendName}\nInterfaces=org.freedesktop.impl.portal.Access;\n`;
  world.file("share/xdg-desktop-portal/portals/test.portal", `[portal]\n${keys}`);
  app = await world.client();
});
beforeEach(() => {
  rmSync(join(world.folder, "data/flatpak"), { recursive: true, force: true });
});
afterAll(async () => {
  app[Symbol.dispose]();
  await world[Symbol.asyncDispose]();
});

const timers = { destination: portalName, path: portalPath, interface: "org.dowel.portal.Timers" } as const;
const wanted = { interval: variant("u", 3600) } as const;
let lastToken = 0;

/** Asks for a timer, which a person is asked about: what closes the request, and its response. */
async function ask(peer: BusPeer, name = "one") {
  const token = `ask${++lastToken}`;
  const path = `${portalPath}/request/${peer.name.slice(1).replace(".", "_")}/${token}`;
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const heard = await peer.listen({ path, member: "Response" }, ({ values }) => resolve(values?.[0]));
  const values = [name, options({ ...wanted, handle_token: variant("s", token) })];
  await peer.call({ ...timers, member: "Set", signature: "sa{sv}", values, returns: "o" });
  const close = { destination: portalName, path, interface: "org.freedesktop.portal.Request", member: "Close" };
  const response = promise.finally(() => heard[Symbol.dispose]());
  return { response, close: () => peer.call(close) };
}

/** A backend of dialogs that has its name; what it is asked waits for `answer`. */
async function dialogs(answer: () => Promise<readonly [number, ReadonlyMap<string, Variant>]>) {
  const peer = await world.peer();
  const asked: string[] = [];
  const access = {
    name: "org.freedesktop.impl.portal.Access",
    methods: {
      AccessDialog: {
        in: "o handle, s app_id, s parent_window, s title, s subtitle, s body, a{sv} options",
        out: "u response, a{sv} results",
      },
    },
  } as const;
  const methods = {
    AccessDialog: (_call: unknown, handle: string) => {
      asked.push(handle);
      return answer();
    },
  };
  peer.objects.export(portalPath, implement(access, { methods }));
  await peer.requestName(backendName);
  return { peer, asked };
}

const never = (): Promise<never> => new Promise(() => undefined);
const nothingKept = (): boolean => !existsSync(join(world.folder, "data/flatpak"));

describe("a backend of dialogs", () => {
  test("that hangs keeps nothing else waiting, and goes with the request", async () => {
    const { peer, asked } = await dialogs(never);
    const hanging = await ask(app);
    await until("the question", () => asked.length === 1);
    expect(await property(app, "Usb", "version")).toBe(1);
    const behind = await ask(app, "two");
    const closed: string[] = [];
    const shape = { name: "org.freedesktop.impl.portal.Request", methods: { Close: { in: "", out: "" } } } as const;
    const close = (): readonly [] => {
      closed.push("closed");
      return [];
    };
    peer.objects.export(asked[0] ?? "", implement(shape, { methods: { Close: close } }));
    await hanging.close();
    await until("the dialog is closed", () => closed.length === 1);
    // Who waited behind it is asked now.
    await until("the next question", () => asked.length === 2);
    peer[Symbol.dispose]();
    expect(await behind.response).toBe(2);
    expect(nothingKept()).toBe(true);
  });

  test("that dies while a person is asked is no leave, and the next one is asked anew", async () => {
    const dying = await dialogs(never);
    const first = await ask(app);
    const second = await ask(app, "two");
    await until("the question", () => dying.asked.length === 1);
    dying.peer[Symbol.dispose]();
    expect(await first.response).toBe(2);
    expect(await second.response).toBe(1);
    expect(nothingKept()).toBe(true);
    using peer = (await dialogs(async () => [0, options()])).peer;
    expect(await (await ask(app)).response).toBe(0);
    expect(peer.ended.aborted).toBe(false);
  });

  test.each([2, 3, 0xffff_ffff])("that answers %d has not said yes", async (number) => {
    const { peer, asked } = await dialogs(async () => [number, options()]);
    using _peer = peer;
    expect(await (await ask(app)).response).toBe(1);
    expect(asked.length).toBe(1);
    expect(nothingKept()).toBe(true);
  });

  test("that is not there is no leave", async () => {
    expect(await (await ask(app)).response).toBe(2);
    expect(nothingKept()).toBe(true);
  });

  test("shows one dialog of an app at a time, however many requests there are", async () => {
    const answers = Promise.withResolvers<readonly [number, ReadonlyMap<string, Variant>]>();
    const { peer, asked } = await dialogs(() => answers.promise);
    using _peer = peer;
    using flooder = await world.client();
    const all = [];
    for (let index = 0; index < limits.portalRequests; index++) all.push(await ask(flooder, `t${index % 8}`));
    expect(await errorOf(ask(flooder))).toContain("LimitsExceeded");
    await until("the question", () => asked.length === 1);
    answers.resolve([1, options()]);
    expect(new Set(await Promise.all(all.map(({ response }) => response)))).toEqual(new Set([1]));
    expect(asked.length).toBe(1);
  });
});

describe("what shows notifications", () => {
  const name = "org.freedesktop.Notifications";
  const shape = {
    name,
    methods: {
      Notify: { in: "s app, u replaces, s icon, s summary, s body, as actions, a{sv} hints, i timeout", out: "u id" },
      CloseNotification: { in: "u id", out: "" },
    },
    signals: { ActionInvoked: "u id, s action" },
  } as const;

  async function shower(notify: () => Promise<readonly [number]>, close?: () => void): Promise<BusPeer> {
    const peer = await world.peer();
    const hang = (): Promise<never> => {
      close?.();
      return never();
    };
    const methods = { Notify: notify, CloseNotification: hang };
    peer.objects.export("/org/freedesktop/Notifications", implement(shape, { methods }));
    await peer.requestName(name);
    return peer;
  }

  function add(peer: BusPeer, id: string): Promise<unknown> {
    const values = [id, options({ title: variant("s", "Done") })];
    return peer.call({ ...at("Notification"), member: "AddNotification", signature: "sa{sv}", values });
  }

  test("may hang: so many calls wait, others are served, and its end is the portal's error", async () => {
    let asked = 0;
    const hanging = await shower(() => {
      asked++;
      return never();
    });
    using flooder = await world.client();
    const all = Array.from({ length: limits.portalRequests }, (_, index) => errorOf(add(flooder, `n${index}`)));
    await until("all are asked", () => asked === limits.portalRequests);
    expect(await errorOf(add(flooder, "more"))).toContain("LimitsExceeded");
    expect(await property(flooder, "Usb", "version")).toBe(1);
    const meanwhile = errorOf(add(app, "another's"));
    await until("another one asks as well", () => asked === limits.portalRequests + 1);
    hanging[Symbol.dispose]();
    expect(new Set([...(await Promise.all(all)), await meanwhile])).toEqual(new Set([failed]));
    const { promise, resolve } = Promise.withResolvers<void>();
    const working = await shower(async () => [7], resolve);
    expect(await errorOf(add(app, "next"))).toBe("undefined");
    const remove = { ...at("Notification"), member: "RemoveNotification", signature: "s", values: ["next"] } as const;
    const removed = errorOf(app.call(remove));
    await promise;
    working[Symbol.dispose]();
    expect(await removed).toBe(failed);
  });

  test("may refuse, and says nothing to apps by that", async () => {
    const refusing = await shower(() => Promise.reject(new Error("/home/secret")));
    expect(await errorOf(add(app, "one"))).toBe(failed);
    refusing[Symbol.dispose]();
  });
});

describe("what is no name", () => {
  const documents = { ...documentsPlace, destination: documentsPlace.busName };
  const bad = [
    "",
    "..",
    "../../x",
    "/etc/passwd",
    "a/b",
    "org.example.App/../x",
    "org..x",
    "-",
    "é",
    "x".repeat(70_000),
  ];

  test.each(bad)("is neither an app nor a document (%#)", async (text) => {
    const place = { ...documents, interface: "org.freedesktop.portal.Documents" };
    const file = openSync(world.file("letter", "dear"), "r");
    const add = { ...place, member: "AddFull", signature: "ahusas", returns: "asa{sv}" } as const;
    if (text !== "") expect(await errorOf(app.call({ ...add, values: [[file], 0, text, ["read"]] }))).toBe(invalid);
    expect(await errorOf(app.call({ ...add, values: [[file], 0, "org.example.Other", [text]] }))).toBe(invalid);
    closeDescriptors([file]);
    for (const member of ["GrantPermissions", "RevokePermissions"]) {
      const call = { ...place, member, signature: "ssas" } as const;
      expect(await errorOf(app.call({ ...call, values: ["abc", text, ["read"]] }))).toBe(invalid);
      const other = await errorOf(app.call({ ...call, values: [text, "org.example.Other", ["read"]] }));
      expect(other).toMatch(/portal\.Error\.(NotFound|NotAllowed)$/);
    }
    const gone = await errorOf(app.call({ ...place, member: "Delete", signature: "s", values: [text] }));
    expect(gone).toMatch(/portal\.Error\.(NotFound|NotAllowed)$/);
    const paths = { ...place, member: "GetHostPaths", signature: "as", returns: "a{say}" } as const;
    expect(await app.call({ ...paths, values: [[text]] })).toEqual([new Map()]);
  });

  test.each(bad)("is no key of a file transfer, no timer and no folder (%#)", async (text) => {
    const transfer = { ...documents, interface: "org.freedesktop.portal.FileTransfer" };
    for (const [member, signature, values] of [
      ["AddFiles", "saha{sv}", [text, [], options()]],
      ["RetrieveFiles", "sa{sv}", [text, options()]],
      ["StopTransfer", "s", [text]],
    ] as const) {
      const returns = member === "RetrieveFiles" ? "as" : "";
      expect(await errorOf(app.call({ ...transfer, member, signature, values, returns }))).toContain("AccessDenied");
    }
    const set = {
      ...timers,
      member: "Set",
      signature: "sa{sv}",
      values: [text, options(wanted)],
      returns: "o",
    } as const;
    // Dots and dashes name timers, which are no paths.
    if (!/^[\w.-]+$/.test(text) || text.length > 64) expect(await errorOf(app.call(set))).toBe(invalid);
    const library = { ...timers, interface: "org.dowel.portal.Library" };
    const remove = { ...library, member: "Remove", signature: "s", values: [text] } as const;
    expect(await errorOf(app.call(remove))).toBe(notFound);
  });

  test("with NUL in it ends no service: paths as bytes are refused, and texts have none", async () => {
    const place = { ...documents, interface: "org.freedesktop.portal.Documents" };
    const name = Buffer.from("a\0../b\0");
    const lookup = { ...place, member: "Lookup", signature: "ay", values: [name], returns: "s" } as const;
    expect(await errorOf(app.call(lookup))).toContain("NotAllowed");
    const folder = openSync(world.folder, "r");
    const named = { ...place, member: "AddNamed", signature: "haybb", returns: "s" } as const;
    expect(await errorOf(app.call({ ...named, values: [folder, name, true, true] }))).toContain("NotAllowed");
    closeDescriptors([folder]);
    expect(await property(app, "Usb", "version")).toBe(1);
  });
});
