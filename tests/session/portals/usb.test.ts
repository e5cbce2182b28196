// SPDX-License-Identifier: Apache-2.0
// The portal over a made tree of sysfs; nodes of devices are those of /dev that every machine has.
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { fstatSync, readdirSync, readlinkSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { BusPeer } from "../../../src/dbus/peer.ts";
import { type Variant, variant } from "../../../src/formats/dbus/types.ts";
import { noBackends } from "../../../src/session/portals/backends.ts";
import type { Decision } from "../../../src/session/portals/decide.ts";
import { closeDescriptors } from "../../../src/sys/transfer.ts";
import { until } from "../../support/until.ts";
import { at, errorOf, options, request } from "./caller.ts";
import { PortalWorld, portalPath } from "./support.ts";

type Device = ReadonlyMap<string, Variant>;
type Event = readonly [action: string, id: string, device: Device];

let world: PortalWorld;
let app: BusPeer;
const said = new Map<string, Decision>();

beforeAll(async () => {
  world = await PortalWorld.device(async (_app, table, id, otherwise) => said.get(`${table} ${id}`) ?? otherwise);
  app = await world.client();
  plug("usb1", "null", "1:3", "PRODUCT=1d6b/2/612\nTYPE=9/0/1");
  plug("1-1", "zero", "1:5", "PRODUCT=1050/407/543\nTYPE=0/0/0", {
    manufacturer: "Yubico",
    product: "Security Key\u001b[31m by",
    serial: "0 1",
  });
  world.file("usb/1-1:1.0/uevent", "DEVTYPE=usb_interface\nINTERFACE=3/1/0\n");
  plug("1-2", "full", "1:7", "PRODUCT=46d/c52b/1211\nTYPE=0/0/0");
  world.file("usb/1-2:1.1/uevent", "DEVTYPE=usb_interface\nINTERFACE=8/6/80\n");
  // Of udev, where there is one.
  world.file(
    "udev/c1:7",
    "I:1\nE:ID_VENDOR_FROM_DATABASE=Logitech, Inc.\nE:ID_SERIAL=Logitech_Receiver\nE:ID_PATH=x\nG:seat\n",
  );
});
beforeEach(() => {
  said.clear();
  world.backends = noBackends;
  allow("enumerable-devices=all;");
});
afterAll(async () => {
  app[Symbol.dispose]();
  await world[Symbol.asyncDispose]();
});

function plug(name: string, node: string, number: string, more: string, texts: Readonly<Record<string, string>> = {}) {
  const [major, minor] = number.split(":");
  for (const [key, text] of Object.entries(texts)) world.file(`usb/${name}/${key}`, `${text}\n`);
  world.file(`usb/${name}/uevent`, `MAJOR=${major}\nMINOR=${minor}\nDEVNAME=${node}\nDEVTYPE=usb_device\n${more}\n`);
}

/** What the app's permissions say; each connection reads them once. */
function allow(keys: string): void {
  world.info(`[Application]\nname=org.example.App\n[USB Devices]\n${keys}\n`);
}

const call = { ...at("Usb"), signature: "a{sv}", values: [options()] } as const;

async function enumerate(peer: BusPeer): Promise<ReadonlyMap<string, Device>> {
  const [found] = await peer.call({ ...call, member: "EnumerateDevices", returns: "a(sa{sv})" });
  return new Map(found);
}

/** The ids of devices by their nodes. */
async function ids(peer: BusPeer): Promise<Readonly<Record<string, string>>> {
  return Object.fromEntries(
    [...(await enumerate(peer))].map(([id, device]) => [String(value(device, "device-file")), id]),
  );
}

const value = (device: Device | undefined, key: string): unknown => device?.get(key)?.value;
const property = (device: Device | undefined, key: string): unknown =>
  (value(device, "properties") as Device | undefined)?.get(key)?.value;

function acquire(peer: BusPeer, wanted: readonly (readonly [string, boolean])[]) {
  const devices = wanted.map(([id, writable]) => [id, options({ writable: variant("b", writable) })]);
  return request(peer, "Usb", "AcquireDevices", "sa(sa{sv})", ["", devices]);
}

let lastHandle = 0;

/** Acquires and fetches; `handle` tokens of `request` are not told, so this has its own. */
async function take(peer: BusPeer, wanted: readonly (readonly [string, boolean])[]) {
  const token = `take${++lastHandle}`;
  const handle = `${portalPath}/request/${peer.name.slice(1).replace(".", "_")}/${token}`;
  const { promise, resolve } = Promise.withResolvers<unknown>();
  using _heard = await peer.listen({ path: handle, member: "Response" }, ({ values }) => resolve(values?.[0]));
  const devices = wanted.map(([id, writable]) => [id, options({ writable: variant("b", writable) })] as const);
  const values = ["", devices, options({ handle_token: variant("s", token) })];
  await peer.call({ ...at("Usb"), member: "AcquireDevices", signature: "sa(sa{sv})a{sv}", values, returns: "o" });
  return { response: await promise, handle, finish: () => finish(peer, handle) };
}

function finish(peer: BusPeer, handle: string) {
  const place = { ...at("Usb"), member: "FinishAcquireDevices", signature: "oa{sv}", returns: "a(sa{sv})b" } as const;
  return peer.call({ ...place, values: [handle, options()] }, { keepDescriptors: true });
}

test("EnumerateDevices tells what the kernel and udev know of the devices that the permissions name", async () => {
  const all = await enumerate(app);
  const byFile = new Map([...all].map(([id, device]) => [value(device, "device-file"), { id, device }]));
  expect([...byFile.keys()].sort()).toEqual(["/dev/full", "/dev/null", "/dev/zero"]);
  const key = byFile.get("/dev/zero");
  expect(key?.id).toMatch(/^[0-9a-f-]{36}$/);
  expect(value(key?.device, "parent")).toBe(byFile.get("/dev/null")?.id);
  expect([value(key?.device, "readable"), value(key?.device, "writable")]).toEqual([true, true]);
  expect(property(key?.device, "ID_VENDOR_ID")).toBe("1050");
  expect(property(key?.device, "ID_MODEL_ID")).toBe("0407");
  expect(property(key?.device, "ID_REVISION")).toBe("0543");
  expect(property(key?.device, "ID_SERIAL")).toBe("Yubico_Security_Key__31m_by_0_1");
  expect(property(key?.device, "ID_SERIAL_SHORT")).toBe("0_1");
  expect(property(key?.device, "ID_MODEL_ENC")).toBe("Security\\x20Key\\x1b\\x5b31m\\x20by");
  const receiver = byFile.get("/dev/full")?.device;
  expect(property(receiver, "ID_VENDOR_FROM_DATABASE")).toBe("Logitech, Inc.");
  expect(property(receiver, "ID_SERIAL")).toBe("Logitech_Receiver");
  expect(property(receiver, "ID_PATH")).toBeUndefined();
  expect(await enumerate(app)).toEqual(all);
});

test.each([
  ["", []],
  ["enumerable-devices=vnd:1050;", ["/dev/zero"]],
  ["enumerable-devices=cls:03:*;cls:08:06;", ["/dev/full", "/dev/zero"]],
  ["enumerable-devices=all;\nhidden-devices=cls:09:*;vnd:046d+dev:c52b;", ["/dev/zero"]],
  ["hidden-devices=vnd:1050;", []],
])("an app with %j sees %j", async (keys, files) => {
  allow(keys);
  using peer = await world.client();
  expect(Object.keys(await ids(peer)).sort()).toEqual(files);
});

test("an app that the store refuses USB, or one device, has neither", async () => {
  const { "/dev/zero": key = "" } = await ids(app);
  said.set("usb device:1050/0407/Yubico_Security_Key__31m_by_0_1", "no");
  expect(Object.keys(await ids(app)).sort()).toEqual(["/dev/full", "/dev/null"]);
  expect(await errorOf(acquire(app, [[key, false]]))).toContain("InvalidArgument");
  said.set("usb usb", "no");
  expect(await errorOf(enumerate(app))).toContain("NotAllowed");
  expect(await errorOf(app.call({ ...call, member: "CreateSession", returns: "o" }))).toContain("NotAllowed");
});

test("AcquireDevices gives open devices to whom somebody gave leave, and those of ReleaseDevices no more", async () => {
  const { "/dev/zero": key = "", "/dev/full": receiver = "" } = await ids(app);
  expect((await take(app, [[key, false]])).response).toBe(1);
  const asked = join(world.folder, "asked");
  const ask = world.file("ask", `#!/bin/sh\ncat >> ${asked}\n`);
  world.backends = { ...noBackends, commands: new Map([["ask", [ask]]]) };
  const taken = await take(app, [
    [key, true],
    [receiver, false],
  ]);
  expect(taken.response).toBe(0);
  expect(await errorOf(acquire(app, [[key, false]]))).toContain("Failed");
  expect(await errorOf(finish(app, `${taken.handle}x`))).toContain("NotFound");
  const [results, finished] = await taken.finish();
  expect(finished).toBe(true);
  const given = results.map(([id, result]) => [id, value(result, "success"), value(result, "fd")] as const);
  expect(given.map(([id, success]) => [id, success])).toEqual([
    [key, true],
    [receiver, true],
  ]);
  const descriptors = given.map(([, , fd]) => Number(fd));
  expect(descriptors.map((fd) => fstatSync(fd).rdev)).toEqual(
    ["/dev/zero", "/dev/full"].map((path) => statSync(path).rdev),
  );
  closeDescriptors(descriptors);
  const questions = (await Bun.file(asked).text()).trim().split("\n");
  const [first] = questions.map((line) => JSON.parse(line) as Readonly<Record<string, string>>);
  expect(questions.length).toBe(2);
  expect(first?.["title"]).toBe("Let org.example.App use the USB device “Yubico Security Key [31m by” (1050:0407)?");
  expect(first?.["id"]).toBe("device:1050/0407/Yubico_Security_Key__31m_by_0_1");
  expect(await errorOf(taken.finish())).toContain("NotFound");
  const release = { ...at("Usb"), member: "ReleaseDevices", signature: "asa{sv}" } as const;
  await app.call({ ...release, values: [[key, receiver, "nonsense"], options()] });
});

test("AcquireDevices refuses ids that are none, those of nobody, and what is named twice", async () => {
  const { "/dev/zero": key = "" } = await ids(app);
  for (const wanted of [
    [],
    [["../../etc", true]],
    [["", true]],
    [
      [key, true],
      [key, false],
    ],
  ] as const) {
    expect(await errorOf(acquire(app, wanted))).toContain("InvalidArgument");
  }
  const bad = [["", [[key, options({ writable: variant("s", "yes") })]], options()]];
  for (const values of bad) {
    const wrong = {
      ...at("Usb"),
      member: "AcquireDevices",
      signature: "sa(sa{sv})a{sv}",
      values,
      returns: "o",
    } as const;
    expect(await errorOf(app.call(wrong))).toContain("InvalidArgument");
  }
});

test("FinishAcquireDevices does not open the node of another device, nor one whose leave was taken back", async () => {
  said.set("usb device:0000/0001/0000_0001", "yes");
  plug("1-3", "random", "1:3", "PRODUCT=0/1/0\nTYPE=255/0/0");
  using peer = await world.client();
  const { "/dev/random": wrong = "" } = await ids(peer);
  const first = await take(peer, [[wrong, false]]);
  const [[result] = []] = await first.finish();
  expect(value(result?.[1], "success")).toBe(false);
  expect(value(result?.[1], "error")).toContain("another");
  const second = await take(peer, [[wrong, false]]);
  said.set("usb device:0000/0001/0000_0001", "no");
  const [[later] = []] = await second.finish();
  expect(value(later?.[1], "success")).toBe(false);
  rmSync(join(world.folder, "usb/1-3"), { recursive: true });
});

/** How many descriptors of a file are open here: the service's own, as this one's are closed. */
function openCount(path: string): number {
  const links = readdirSync("/proc/self/fd").map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return "";
    }
  });
  return links.filter((link) => link === path).length;
}

test("devices are held until they are released, leave is taken back or the connection ends", async () => {
  const before = openCount("/dev/zero");
  const store = "usb device:1050/0407/Yubico_Security_Key__31m_by_0_1";
  said.set(store, "yes");
  const held = async (peer: BusPeer): Promise<string> => {
    const { "/dev/zero": id = "" } = await ids(peer);
    const [results] = await (await take(peer, [[id, true]])).finish();
    closeDescriptors(results.map(([, result]) => Number(value(result, "fd"))));
    expect(openCount("/dev/zero")).toBe(before + 1);
    return id;
  };
  const id = await held(app);
  await app.call({ ...at("Usb"), member: "ReleaseDevices", signature: "asa{sv}", values: [[id], options()] });
  expect(openCount("/dev/zero")).toBe(before);
  await held(app);
  said.set(store, "no");
  await until("what is refused is taken back", () => openCount("/dev/zero") === before);
  said.set(store, "yes");
  const other = await world.client();
  await held(other);
  other[Symbol.dispose]();
  await until("what nobody has is let go", () => openCount("/dev/zero") === before);
});

test("sessions are told of what comes, changes and goes, until they end or leave is taken back", async () => {
  using peer = await world.client();
  const events: Event[] = [];
  const closed: unknown[] = [];
  using _heard = await peer.listen({ member: "DeviceEvents" }, ({ values }) => {
    events.push(...((values?.[1] ?? []) as Event[]));
  });
  using _closed = await peer.listen({ member: "Closed" }, ({ path }) => closed.push(path));
  const [session] = await peer.call({ ...call, member: "CreateSession", returns: "o" });
  await until("the first", () => events.length === 3);
  expect(events.map(([action]) => action)).toEqual(["add", "add", "add"]);
  plug("1-4", "random", "1:8", "PRODUCT=7/8/9\nTYPE=255/0/0");
  world.usbChanged();
  await until("it comes", () => events.length === 4);
  plug("1-4", "random", "1:8", "PRODUCT=7/8/a\nTYPE=255/0/0");
  world.usbChanged();
  await until("it changes", () => events.length === 5);
  renameSync(join(world.folder, "usb/1-4"), join(world.folder, "gone"));
  world.usbChanged();
  world.usbChanged();
  await until("it goes", () => events.length === 6);
  const id = events[3]?.[1] ?? "";
  expect(events.slice(3).map(([action, which]) => [action, which])).toEqual([
    ["add", id],
    ["change", id],
    ["remove", id],
  ]);
  renameSync(join(world.folder, "gone"), join(world.folder, "usb/1-4"));
  world.usbChanged();
  await until("another one comes", () => events.length === 7);
  expect(events[6]?.[1]).not.toBe(id);
  rmSync(join(world.folder, "usb/1-4"), { recursive: true });
  said.set("usb usb", "no");
  world.usbChanged();
  await until("the session ends", () => closed.length === 1);
  expect(closed).toEqual([session]);
  expect(world.failures).toEqual([]);
});
