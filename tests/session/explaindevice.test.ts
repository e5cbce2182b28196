// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { type DeviceFacts, explainDevice } from "../../src/session/explaindevice.ts";

const app = "org.example.App";
const facts: DeviceFacts = { app, hasSound: true, hasAllDevices: false, rule: undefined, stored: undefined };
const override = `dowel override --user --socket=pulseaudio ${app}`;
const set = (device: string) => `dowel permission-set devices ${device} ${app} yes`;
const explain = (device: Parameters<typeof explainDevice>[0], changed: Partial<DeviceFacts> = {}) => {
  const { may, because, allow } = explainDevice(device, { ...facts, ...changed }, "/policy");
  return { may, because: because.join("; "), allow };
};

test("explainDevice() says that sound is playback, and what else needs", () => {
  expect(explain("sound")).toMatchObject({ may: true, allow: [] });
  expect(explain("sound").because).toContain("--socket=pulseaudio");
  expect(explain("sound", { hasSound: false })).toMatchObject({ may: false, allow: [override] });
  expect(explain("microphone")).toMatchObject({ may: false, allow: [set("microphone")] });
  expect(explain("microphone", { hasSound: false }).allow).toEqual([override, set("microphone")]);
  expect(explain("camera", { hasSound: false })).toMatchObject({ may: false, allow: [set("camera")] });
});

test("explainDevice() names who decides: the policy before the store, and devices before both", () => {
  expect(explain("microphone", { stored: "yes" })).toMatchObject({ may: true, allow: [] });
  expect(explain("microphone", { stored: "yes", hasSound: false })).toMatchObject({ may: false, allow: [override] });
  const ruled = explain("monitor", { stored: "yes", rule: "no" });
  expect(ruled).toEqual({ may: false, because: "a rule in /policy says no", allow: [] });
  expect(explain("microphone", { hasAllDevices: true, rule: "no" })).toMatchObject({ may: true, allow: [] });
  expect(explain("monitor", { hasAllDevices: true })).toMatchObject({ may: false });
});
