// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { messageFlag, messageType } from "../../src/formats/dbus/header.ts";
import { encodeMessage, type MessageFields } from "../../src/formats/dbus/write.ts";
import { dowelPath } from "../e2e/support.ts";
import { busCall, busName, startBroker } from "../support/bus.ts";
import { attemptSerial, type Role, roles, World } from "./bus-world.ts";

/** Each difference to xdg-dbus-proxy 0.1.4-3+deb12u2, and why it is meant. */
const differences: Readonly<Record<string, string>> = {
  'AddMatch "nonsense"': "refused here and not by the bus, so the text of the error is another",
  "AddMatch \"type='signal',type='signal'\"": "refused here and not by the bus, so the text of the error is another",
  'AddMatch "arg0=\'x"': "refused here and not by the bus, so the text of the error is another",
  "ReleaseName org.test.Wild.New by Hidden": "a peer's rights end when it gives its name away",
  "RequestName org.test.Own.Other by See": "follows from the one before: Hidden got no further call",
  "call the unique name of Hidden afterwards": "a peer's rights end when it gives its name away",
  "broadcast heard by Hidden": "a peer's rights end when it gives its name away",
  "broadcast of another path by Hidden": "a peer's rights end when it gives its name away",
  "broadcast of another member by Hidden": "a peer's rights end when it gives its name away",
};

type Step = readonly [name: string, act: (world: World) => Promise<readonly string[]>];

const call = { path: "/allowed/x", interface: "org.test.Iface", member: "Allowed" };

function callStep(name: string, message: (world: World) => Omit<MessageFields, "serial" | "type">): Step {
  return [name, async (world) => [world.tell(await world.client.ask(message(world))), ...(await world.harvest())]];
}

function sendStep(name: string, message: (world: World) => Omit<MessageFields, "serial">): Step {
  return [
    name,
    async (world) => {
      world.client.send(message(world));
      return world.harvest();
    },
  ];
}

const targets = [
  ...roles.map((role) => `org.test.${role}`),
  "org.test.Own.Mine",
  "org.test",
  "org.nobody",
  "org.test.Wild",
];

function callsByName(): Step[] {
  return targets.flatMap((destination) => [
    callStep(`call ${destination}`, () => ({ ...call, destination })),
    callStep(`call ${destination} without start`, () => ({ ...call, destination, flags: messageFlag.noAutoStart })),
    sendStep(`call ${destination} without reply`, () => ({
      ...call,
      type: messageType.call,
      destination,
      flags: messageFlag.noReplyExpected,
    })),
    sendStep(`signal to ${destination}`, () => ({ ...call, type: messageType.signal, destination })),
  ]);
}

function callsByRule(): Step[] {
  const destination = "org.test.Rules";
  const variants: readonly (readonly [string, Partial<MessageFields>])[] = [
    ["its path", { path: "/allowed" }],
    ["a path like it", { path: "/allowedx" }],
    ["another member", { member: "Other" }],
    ["a whole interface", { interface: "org.test.Whole", path: "/", member: "Any" }],
    ["an interface like it", { interface: "org.test.Wholes", path: "/", member: "Any" }],
  ];
  return [
    ...variants.map(([what, fields]) => callStep(`rule: ${what}`, () => ({ ...call, destination, ...fields }))),
    callStep("rule: no interface", () => ({ path: "/allowed", member: "Allowed", destination })),
  ];
}

function callsByUniqueName(): Step[] {
  return roles.map((role) =>
    callStep(`call the unique name of ${role}`, (world) => ({ ...call, destination: world.peer(role).name })),
  );
}

const driverMembers = [
  ...["NameHasOwner", "GetNameOwner", "GetConnectionUnixUser", "ListQueuedOwners", "StartServiceByName"],
  ...["ReleaseName", "GetConnectionCredentials"],
];

function driverCalls(): Step[] {
  const texts = [...targets, ":1.99", "not a name", ""];
  return [
    ...driverMembers.flatMap((member) =>
      texts.map((text) => callStep(`${member} ${text}`, () => busCall(member, text))),
    ),
    ...roles.map((role) =>
      callStep(`NameHasOwner <${role}>`, (world) => busCall("NameHasOwner", world.peer(role).name)),
    ),
    ...["ListNames", "ListActivatableNames", "GetId", "BecomeMonitor", "ReloadConfig", "Nothing"].map((member) =>
      callStep(member, () => busCall(member)),
    ),
    callStep("Introspect", () => ({ ...busCall("Introspect"), interface: "org.freedesktop.DBus.Introspectable" })),
    callStep("Properties of the bus", () => ({
      ...busCall("GetAll", busName),
      interface: "org.freedesktop.DBus.Properties",
    })),
    callStep("Ping of the bus", () => ({ ...busCall("Ping"), interface: "org.freedesktop.DBus.Peer" })),
    callStep("call without interface", () => ({ path: "/", member: "ListNames", destination: busName })),
    ...["org.test.Own.Mine", "org.test.Own", "org.test.Talk", "org.nobody"].map((name) =>
      callStep(`RequestName ${name}`, () => busCall("RequestName", name)),
    ),
    callStep("UpdateActivationEnvironment", () => ({
      ...busCall("UpdateActivationEnvironment"),
      signature: "a{ss}",
      body: (w) => w.uint32(0),
    })),
  ];
}

function matchRules(): Step[] {
  const rules = [
    "type='signal'",
    "type='signal',eavesdrop='true'",
    "eavesdrop =true",
    "\teavesdrop='true',type='signal'",
    "eavesdrop\n='true'",
    "nonsense",
    "type='signal',type='signal'",
    "arg0='x",
  ];
  return rules.map((rule) => callStep(`AddMatch ${JSON.stringify(rule)}`, () => busCall("AddMatch", rule)));
}

function broadcasts(): Step[] {
  const variants: readonly (readonly [string, Partial<MessageFields>])[] = [
    ["heard", { path: "/heard", interface: "org.test.Iface", member: "Heard" }],
    ["of another path", { path: "/other", interface: "org.test.Iface", member: "Heard" }],
    ["of another member", { path: "/heard", interface: "org.test.Iface", member: "Other" }],
  ];
  const emit =
    (role: Role, fields: Partial<MessageFields>): Step[1] =>
    async (world) => {
      world.peer(role).send({ ...call, ...fields, type: messageType.signal });
      await world.peer(role).settle();
      return world.harvest();
    };
  return [
    callStep("hear everything", () => busCall("AddMatch", "type='signal'")),
    ...roles.flatMap((role) =>
      variants.map(([what, fields]): Step => [`broadcast ${what} by ${role}`, emit(role, fields)]),
    ),
    sendStep("broadcast by the client", () => ({ ...call, type: messageType.signal })),
  ];
}

function changesOfOwner(): Step[] {
  const change = (member: string, role: Role, name: string): Step => [
    `${member} ${name} by ${role}`,
    async (world) => {
      await world.peer(role).callBus(member, name);
      return [
        ...(await world.harvest()),
        world.tell(await world.client.ask({ ...call, destination: world.peer(role).name })),
      ];
    },
  ];
  return [
    change("RequestName", "Hidden", "org.test.Wild.New"),
    change("RequestName", "Hidden", "org.nobody"),
    change("ReleaseName", "Hidden", "org.test.Wild.New"),
    change("RequestName", "See", "org.test.Own.Other"),
  ];
}

function repliesAndGrants(): Step[] {
  const unasked = (type: number): Step =>
    sendStep(`${type === messageType.return ? "return" : "error"} that nobody asked for`, (world) => ({
      type,
      destination: world.peer("Hidden").name,
      replySerial: 1,
      ...(type === messageType.error ? { errorName: "org.test.Error" } : {}),
    }));
  return [
    unasked(messageType.return),
    unasked(messageType.error),
    [
      "be called by Hidden, answer, and see it then",
      async (world) => {
        const hidden = world.peer("Hidden");
        world.client.onMessage = ({ type, sender, serial, member }, peer) => {
          if (type === messageType.call && member === "Allowed")
            peer.send({ type: messageType.return, destination: sender, replySerial: serial });
        };
        const answer = await hidden.ask({ ...call, destination: world.client.name });
        world.client.onMessage = undefined;
        return [world.tell(answer), ...(await world.harvest())];
      },
    ],
    callStep("call the unique name of Hidden afterwards", (world) => ({
      ...call,
      destination: world.peer("Hidden").name,
    })),
    callStep("NameHasOwner of Hidden afterwards", (world) => busCall("NameHasOwner", world.peer("Hidden").name)),
    callStep("in big endian", () => ({ ...call, destination: "org.test.Talk", littleEndian: false })),
    callStep("call without destination", () => ({ path: "/", interface: "org.freedesktop.DBus.Peer", member: "Ping" })),
  ];
}

const steps: readonly Step[] = [
  ...callsByName(),
  ...callsByRule(),
  ...callsByUniqueName(),
  ...driverCalls(),
  ...matchRules(),
  ...changesOfOwner(),
  ...repliesAndGrants(),
  ...broadcasts(),
];

const damaged: readonly Omit<MessageFields, "serial">[] = [
  { ...call, type: messageType.call, destination: "org.test.Talk" },
  { ...call, type: messageType.call, destination: "org.test.See", littleEndian: false },
  { ...call, type: messageType.call, destination: "org.nobody" },
  { ...busCall("NameHasOwner", "org.test.See"), type: messageType.call },
];

/** One byte is changed that is no length, no serial and no part of the body. */
const damagedMessage = fc
  .tuple(fc.constantFrom(...damaged), fc.nat(), fc.oneof(fc.nat(255), fc.constantFrom(0, 46, 47, 58, 255)))
  .map(([message, at, value]) => {
    const bytes = encodeMessage({ ...message, serial: attemptSerial });
    const places = [...bytes.keys()].filter((index) => index < 4 || (index > 24 && (bytes[index] ?? 0) > 0x2d));
    bytes[places[at % places.length] ?? 0] = value;
    return bytes;
  });

let folder = "";
let worlds: readonly World[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "dowel-proxies-"));
  worlds = [
    await World.start(join(folder, "dowel"), [dowelPath, "plumbing", "bus-proxy"]),
    await World.start(join(folder, "peer"), ["xdg-dbus-proxy"]),
    await World.start(join(folder, "dowel-broker"), [dowelPath, "plumbing", "bus-proxy"], startBroker),
    await World.start(join(folder, "peer-broker"), ["xdg-dbus-proxy"], startBroker),
  ];
});

afterAll(async () => {
  for (const world of worlds) await world[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

describe("bus-proxy does what xdg-dbus-proxy does", () => {
  test.each([
    ["dbus-daemon", 0],
    ["dbus-broker", 2],
  ])("for every kind of message that a client or a peer can send, on %s", async (_, first) => {
    const found: Record<string, unknown> = {};
    for (const [name, act] of steps) {
      const [ours = [], theirs = []] = [await act(worlds[first] as World), await act(worlds[first + 1] as World)];
      if (JSON.stringify(ours) !== JSON.stringify(theirs)) found[name] = { ours, theirs };
    }
    for (const name of Object.keys(differences)) expect(Object.keys(found)).toContain(name);
    for (const name of Object.keys(differences)) delete found[name];
    expect(found).toEqual({});
  });

  test("for messages with one wrong byte, but that what the bus would refuse ends the connection at once", async () => {
    const [dowel, peer] = worlds as readonly [World, World];
    const found: unknown[] = [];
    for (const bytes of fc.sample(damagedMessage, { numRuns: 150, seed: 1 })) {
      const [ours, theirs] = [await dowel.tryBytes(bytes), await peer.tryBytes(bytes)];
      if (JSON.stringify(ours) === JSON.stringify(theirs)) continue;
      const direct = await dowel.tryBytes(bytes, dowel.bus.socket);
      if (ours[0] !== "closed" || direct[0] !== "closed") {
        found.push({ bytes: Buffer.from(bytes).toString("latin1"), ours, theirs, direct });
      }
    }
    expect(found).toEqual([]);
  });
});
