// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { implement } from "../../../src/dbus/interface.ts";
import type { Message } from "../../../src/dbus/message.ts";
import { BusPeer } from "../../../src/dbus/peer.ts";
import { type Variant, variant } from "../../../src/formats/dbus/types.ts";
import { noBackends } from "../../../src/session/portals/backends.ts";
import type { Decision } from "../../../src/session/portals/decide.ts";
import { at, errorOf, options } from "./caller.ts";
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

function add(id: string, notice: Readonly<Record<string, Variant>>): Promise<unknown> {
  const call = { ...at("Notification"), member: "AddNotification", signature: "sa{sv}" } as const;
  return app.call({ ...call, values: [id, options(notice)] });
}

const notice = {
  title: variant("s", "Done"),
  body: variant("s", "<b>1 & 2</b>"),
  priority: variant("s", "urgent"),
  "default-action": variant("s", "app.show"),
  buttons: variant("aa{sv}", [
    options({ label: variant("s", "Open"), action: variant("s", "app.open"), target: variant("u", 7) }),
  ]),
};

test("Notification gives what an app says to the maker's command as data", async () => {
  const path = world.file("notify", `#!/bin/sh\ncat > ${world.folder}/said\n`);
  world.backends = { ...noBackends, commands: new Map([["notify", [path]]]) };
  await add("a/../b", notice);
  expect(JSON.parse(readFileSync(join(world.folder, "said"), "utf8"))).toEqual({
    ...{ app: "org.example.App", id: "a/../b" },
    ...{ title: "Done", body: "<b>1 & 2</b>", priority: "urgent" },
  });
  world.file("notify", "#!/bin/sh\nexit 1\n");
  expect(await errorOf(add("a", notice))).toContain("Error.Failed");
  world.backends = noBackends;
});

test("Notification shows notices by what shows them in the session, and tells of their buttons", async () => {
  using shower = await BusPeer.connect(world.loop, [{ path: world.bus.socket }]);
  const name = "org.freedesktop.Notifications";
  const shape = {
    name,
    methods: {
      Notify: { in: "s app, u replaces, s icon, s summary, s body, as actions, a{sv} hints, i timeout", out: "u id" },
      CloseNotification: { in: "u id", out: "" },
    },
    signals: { ActionInvoked: "u id, s action" },
  } as const;
  const calls: unknown[] = [];
  const hints: unknown[] = [];
  const methods = {
    Notify: (_call: unknown, ...values: readonly unknown[]) => {
      calls.push(values.slice(0, 6));
      hints.push(values[6]);
      return [31] as const;
    },
    CloseNotification: (_call: unknown, id: number) => {
      calls.push(id);
      return [] as const;
    },
  };
  shower.objects.export("/org/freedesktop/Notifications", implement(shape, { methods }));
  await shower.requestName(name);
  await add("n", notice);
  await add("n", { title: variant("s", "Again"), "default-action": variant("s", "app.show") });
  const actions = ["default", "", "1", "Open"];
  expect(calls.splice(0)).toEqual([
    ["org.example.App", 0, "", "Done", "&lt;b>1 &amp; 2&lt;/b>", actions],
    ["org.example.App", 31, "", "Again", "", ["default", ""]],
  ]);
  const { promise, resolve } = Promise.withResolvers<Message>();
  using _heard = await app.listen({ member: "ActionInvoked" }, resolve);
  for (const [id, key] of [
    [30, "default"],
    [31, "9"],
    [31, "default"],
  ]) {
    shower.emit("/org/freedesktop/Notifications", shape, "ActionInvoked", [id, key]);
  }
  expect((await promise).values).toEqual(["n", "app.show", []]);
  await add("n", {
    title: variant("s", "Third"),
    "markup-body": variant(
      "s",
      '<b>1 & 2</b> <img src="x"/> <a href="https://example.org/">here</a> <a href="file:///">',
    ),
    icon: variant("(sv)", ["themed", variant("as", ["mail-unread", "mail"])]),
    category: variant("s", "im.message"),
    sound: variant("s", "silent"),
    "display-hint": variant("as", ["transient", "of-the-future"]),
    "of-the-future": variant("u", 1),
  });
  expect(calls.splice(0)).toEqual([
    [
      ...["org.example.App", 31, "mail-unread", "Third"],
      '<b>1 &amp; 2</b> &lt;img src="x"/> <a href="https://example.org/">here</a> &lt;a href="file:///">',
      [],
    ],
  ]);
  expect(hints.at(-1)).toEqual(
    new Map([
      ["urgency", variant("y", 1)],
      ["desktop-entry", variant("s", "org.example.App")],
      ["category", variant("s", "im.message")],
      ["suppress-sound", variant("b", true)],
      ["transient", variant("b", true)],
    ]),
  );
  const remove = { ...at("Notification"), member: "RemoveNotification", signature: "s" } as const;
  await app.call({ ...remove, values: ["n"] });
  await app.call({ ...remove, values: ["of another"] });
  expect(calls).toEqual([31]);
});

test("Notification activates actions that the app exports", async () => {
  await using played = await PortalWorld.device(async (_app, _table, _id, otherwise) => otherwise);
  using host = await played.peer();
  using client = await played.client();
  const shower = {
    name: "org.freedesktop.Notifications",
    methods: {
      Notify: { in: "s app, u replaces, s icon, s summary, s body, as actions, a{sv} hints, i timeout", out: "u id" },
    },
    signals: { ActionInvoked: "u id, s action" },
  } as const;
  const application = {
    name: "org.freedesktop.Application",
    methods: { ActivateAction: { in: "s action, av parameter, a{sv} platform", out: "" } },
  } as const;
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const ActivateAction = (_call: unknown, ...words: readonly unknown[]) => {
    resolve(words);
    return [] as const;
  };
  host.objects.export("/org/freedesktop/Notifications", implement(shower, { methods: { Notify: () => [5] } }));
  host.objects.export("/org/example/App", implement(application, { methods: { ActivateAction } }));
  for (const name of [shower.name, "org.example.App"]) await host.requestName(name);
  const call = { ...at("Notification"), member: "AddNotification", signature: "sa{sv}" } as const;
  await client.call({ ...call, values: ["n", options(notice)] });
  host.emit("/org/freedesktop/Notifications", shower, "ActionInvoked", [5, "1"]);
  expect(await promise).toEqual(["open", [variant("u", 7)], new Map()]);
});

test("Notification refuses what is no notice, and apps that may not", async () => {
  for (const [id, wrong] of [
    ["", notice],
    ["a", { priority: variant("s", "very") }],
    ["a", { title: variant("u", 1) }],
    ["a", { buttons: variant("s", "x") }],
    ["a", { title: variant("s", "x".repeat(70_000)) }],
  ] as const) {
    expect(await errorOf(add(id, wrong))).toContain("InvalidArgument");
  }
  says = "no";
  expect(await errorOf(add("a", notice))).toContain("NotAllowed");
  says = undefined;
});
