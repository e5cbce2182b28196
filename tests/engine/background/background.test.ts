// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isOnBattery, type PowerSupply, readMetered, whyNotNow } from "../../../src/engine/background/conditions.ts";
import { powerSupplies } from "../../../src/engine/background/probe.ts";
import { updateInBackground } from "../../../src/engine/background/update.ts";
import { setConfig } from "../../../src/engine/config.ts";
import { addRemote } from "../../../src/remotes/config.ts";
import { TestFolder } from "../../store/images.ts";
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

/** What nmcli prints of devices: name, whether they are metered, and their gateways. */
function shown(...devices: readonly (readonly [string, string, string, string])[]): string {
  const keys = ["GENERAL.DEVICE", "GENERAL.METERED", "IP4.GATEWAY", "IP6.GATEWAY"];
  return devices.map((device) => `${keys.map((key, at) => `${key}:${device[at]}\n`).join("")}\n`).join("");
}

test.each([
  ["", undefined],
  [shown(["lo", "unknown", "", ""]), undefined],
  [shown(["eth0", "no (guessed)", "192.0.2.1", ""], ["lo", "unknown", "", ""]), false],
  [shown(["wlan0", "yes", "192.0.2.1", ""]), true],
  [shown(["wwan0", "yes (guessed)", "--", "fe80\\:\\:1"]), true],
  [shown(["wlan0", "yes", "", ""], ["eth0", "no", "192.0.2.1", ""]), false],
])("readMetered() reads %j", (text, expected) => {
  expect(readMetered(text)).toBe(expected);
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
