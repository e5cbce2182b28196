// SPDX-License-Identifier: Apache-2.0
import { BusCallError } from "../../dbus/errors.ts";
import type { InterfaceShape } from "../../dbus/interface.ts";
import { portalErrors } from "./errors.ts";
import { definePortal, desktopPortal } from "./portal.ts";

const shape = {
  name: "org.freedesktop.portal.Usb",
  methods: {
    CreateSession: { in: "a{sv} options", out: "o session_handle" },
    EnumerateDevices: { in: "a{sv} options", out: "a(sa{sv}) devices" },
    AcquireDevices: { in: "s parent_window, a(sa{sv}) devices, a{sv} options", out: "o handle" },
    FinishAcquireDevices: { in: "o handle, a{sv} options", out: "a(sa{sv}) results, b finished" },
    ReleaseDevices: { in: "as devices, a{sv} options", out: "" },
  },
  signals: { DeviceEvents: "o session_handle, a(ssa{sv}) events" },
  properties: { version: "u" },
} as const satisfies InterfaceShape;

function refuse(): never {
  throw new BusCallError(
    portalErrors.notAllowed,
    "No USB device is handed out here; an app gets all of them with --device=usb",
  );
}

/** Knows of no devices and hands none out. */
export function usbPortal() {
  return definePortal(shape, desktopPortal, () => ({
    methods: {
      CreateSession: ({ openSession }, options) => [openSession(options, () => undefined).path],
      EnumerateDevices: () => [[]],
      AcquireDevices: refuse,
      FinishAcquireDevices: refuse,
      ReleaseDevices: refuse,
    },
    properties: { version: () => 1 },
  }));
}
