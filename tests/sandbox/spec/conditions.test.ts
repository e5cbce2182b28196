// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { hostConditions } from "../../../src/sandbox/spec/conditions.ts";
import { FakeHost, socket } from "./fake-host.ts";

const without = hostConditions(new FakeHost({}));

test.each([
  ["true", true],
  ["false", false],
  ["has-input-device", true],
  ["has-usb-device", true],
  ["has-usb-portal", true],
  ["has-wayland", false],
  ["has-everything", undefined],
] as const)("hostConditions() answers %s with %p", (name, answer) => {
  expect(without(name)).toBe(answer);
});

test("hostConditions() finds a compositor by its socket", () => {
  const variables = { XDG_RUNTIME_DIR: "/run/user/1000", WAYLAND_DISPLAY: "wayland-3" };
  expect(hostConditions(new FakeHost({ "/run/user/1000/wayland-3": socket }, variables))("has-wayland")).toBe(true);
  expect(hostConditions(new FakeHost({ "/run/user/1000/wayland-0": socket }, variables))("has-wayland")).toBe(false);
});
