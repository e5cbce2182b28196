// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { implement } from "../../../src/dbus/interface.ts";
import { networkManager, networkManagerPath } from "../../../src/dbus/networkmanager.ts";
import { BusPeer } from "../../../src/dbus/peer.ts";
import { isOnBattery, type PowerSupply, whyNotNow } from "../../../src/engine/background/conditions.ts";
import { isMetered, powerSupplies } from "../../../src/engine/background/probe.ts";
import { updateInBackground } from "../../../src/engine/background/update.ts";
import { setConfig } from "../../../src/engine/config.ts";
import { EventLoop } from "../../../src/loop/loop.ts";
import { addRemote } from "../../../src/remotes/config.ts";
import { TestFolder } from "../../store/images.ts";
import { startBus, type TestBus } from "../../support/bus.ts";
import { addSample, appRef, install, metadataFor, platform } from "../fixtures.ts";

const supply = (type: string, rest: Partial<PowerSupply> = {}): PowerSupply => ({
  ...{ type, scope: "", status: "", online: "" },
  ...rest,
});
const draining = supply("Battery", { status: "Discharging" });

test.each([
  ["nothing known", [], false],
  ["a battery that drains", [draining], true],
  ["a battery that is full", [supply("Battery", { status: "Full" })], false],
  ["mains beside a battery that drains", [draining, supply("Mains", { online: "1" })], false],
  ["mains that are off", [draining, supply("Mains", { online: "0" })], true],
  ["the battery of a mouse", [{ ...draining, scope: "Device" }], false],
] as const)("isOnBattery() knows %s", (_, supplies, expected) => {
  expect(isOnBattery(supplies)).toBe(expected);
});

test("whyNotNow() goes by the settings", () => {
  const facts = { supplies: [draining], metered: true, updateOnBattery: false, updateOnMetered: false };
  expect(whyNotNow(facts)).toContain("battery");
  expect(whyNotNow({ ...facts, updateOnBattery: true })).toContain("metered");
  expect(whyNotNow({ ...facts, updateOnBattery: true, updateOnMetered: true })).toBeUndefined();
  expect(whyNotNow({ ...facts, supplies: [], metered: undefined })).toBeUndefined();
});

test("powerSupplies() reads the kernel's folders, and none where there are none", () => {
  using folder = new TestFolder();
  const battery = join(folder.path, "BAT0");
  mkdirSync(battery);
  writeFileSync(join(battery, "type"), "Battery\n");
  writeFileSync(join(battery, "status"), "Charging\n");
  expect(powerSupplies(folder.path)).toEqual([supply("Battery", { status: "Charging" })]);
  expect(powerSupplies(join(folder.path, "none"))).toEqual([]);
});

/** What runs as NetworkManager on a bus of its own, until it is disposed of. */
async function networkManagerOn(bus: TestBus): Promise<AsyncDisposable & { metered: number }> {
  const shape = { name: networkManager, methods: {}, properties: { Metered: "u" } } as const;
  const loop = new EventLoop();
  const ended = Promise.withResolvers<void>();
  const running = loop.runUntil(ended.promise);
  const peer = await BusPeer.connect(loop, [{ path: bus.socket }]);
  const state = {
    metered: 0,
    async [Symbol.asyncDispose]() {
      peer[Symbol.dispose]();
      ended.resolve();
      await running;
      loop[Symbol.dispose]();
    },
  };
  const properties = { Metered: () => state.metered };
  peer.objects.export(networkManagerPath, implement(shape, { methods: {}, properties }));
  expect(await peer.requestName(networkManager)).toBe("owner");
  return state;
}

test("isMetered() reads NetworkManager's property, and knows nothing without one", async () => {
  using folder = new TestFolder();
  await using bus = await startBus(folder.path);
  const { address } = bus;
  expect(await isMetered(address)).toBeUndefined();
  await using manager = await networkManagerOn(bus);
  // NMMetered: unknown, yes, no, and both by guess; the last is none of them.
  for (const [number, expected] of [undefined, true, false, true, false, undefined].entries()) {
    manager.metered = number;
    expect(await isMetered(address)).toBe(expected);
  }
  await expect(isMetered(address, AbortSignal.abort(new Error("enough")))).rejects.toThrow("enough");
  expect(await isMetered(`unix:path=${folder.path}/none`)).toBeUndefined();
});

test("updateInBackground() waits while the network is metered or the battery drains, unless it is configured", async () => {
  using folder = new TestFolder();
  await using bus = await startBus(folder.path);
  await using manager = await networkManagerOn(bus);
  const supplies = join(folder.path, "supplies");
  mkdirSync(join(supplies, "BAT0"), { recursive: true });
  const [type, status] = ["type", "status"].map((name) => join(supplies, "BAT0", name)) as [string, string];
  writeFileSync(type, "Battery\n");
  writeFileSync(status, "Full\n");
  manager.metered = 1;
  const store = folder.installation();
  const layout = join(folder.path, "layout");
  addSample(layout, { ref: platform });
  await addRemote(store, "local", { url: `oci:${layout}` });
  await install(store, [platform]);
  const to = addSample(layout, { ref: platform, files: { new: "x" } });
  const machine = { powerSupplies: supplies, systemBus: bus.address };
  const run = () => updateInBackground(store, { machine });
  expect(await run()).toMatchObject({ changed: [], postponed: expect.stringContaining("metered") });
  await setConfig(store, "update-on-metered", "true");
  writeFileSync(status, "Discharging\n");
  expect(await run()).toMatchObject({ changed: [], postponed: expect.stringContaining("battery") });
  await setConfig(store, "update-on-battery", "true");
  const done = await run();
  expect(done.postponed).toBeUndefined();
  expect(done.changed).toMatchObject([{ ref: platform, to }]);
});

test("updateInBackground() updates what asks for nothing more, holds back the rest, and keeps a summary", async () => {
  using folder = new TestFolder();
  const layout = join(folder.path, "layout");
  const [hello, other] = [appRef("Hello"), appRef("Other")];
  for (const ref of [platform, hello, other]) addSample(layout, { ref });
  const store = folder.installation();
  await addRemote(store, "local", { url: `oci:${layout}` });
  for (const key of ["update-on-battery", "update-on-metered"]) await setConfig(store, key, "true");
  const { installed } = await install(store, ["org.test.Hello", "org.test.Other"]);
  const from = installed.find(({ ref }) => ref.id === "org.test.Hello")?.commit ?? "";
  const to = addSample(layout, { ref: hello, files: { new: "x" } });
  addSample(layout, { ref: other, metadata: `${metadataFor(other)}filesystems=home;\n` });
  const summary = await updateInBackground(store);
  expect(summary).toMatchObject({
    changed: [{ ref: hello, from, to }],
    held: [{ ref: other, newPermissions: ["--filesystem=home"] }],
  });
  expect(JSON.parse(readFileSync(join(store.path, "background.json"), "utf8"))).toEqual(summary);
  writeFileSync(join(layout, "index.json"), "broken");
  expect(await updateInBackground(store)).toMatchObject({ changed: [], failure: { code: "TRANSACTION_FAILED" } });
});
