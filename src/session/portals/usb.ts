// SPDX-License-Identifier: Apache-2.0
import { BusCallError } from "../../dbus/errors.ts";
import type { InterfaceShape } from "../../dbus/interface.ts";
import type { CallingApp } from "./app.ts";
import { definePortal, desktopPortal } from "./portal.ts";
import type { BackendServices } from "./served.ts";
import { Source } from "./source.ts";
import { UsbAccess } from "./usb/access.ts";
import { UsbDevices } from "./usb/devices.ts";
import { DeviceMonitor } from "./usb/monitor.ts";
import { describeDevice, visibleDevices } from "./usb/visible.ts";

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

/**
 * USB devices that an app's permissions name (Usb portal, version 1): which there are, when they come and go, and open
 * ones for those that a person, or who decides in their place, lets it have.
 */
export function usbPortal(services: BackendServices) {
  const { loop, usb: host, failed } = services;
  const devices = new UsbDevices(loop, host);
  const changes = new Source((tell) => host.watch(loop, tell));
  return definePortal(shape, desktopPortal, ({ emit, ended }) => {
    const access = new UsbAccess(services, devices, ended);
    const look = async (app: CallingApp) => {
      const visible = await visibleDevices(services, devices, app);
      return new Map([...visible].map(([id, device]) => [id, describeDevice(visible, device, host.nodes)]));
    };
    return {
      methods: {
        async CreateSession({ app, openSession }, options) {
          await look(app);
          const until = new AbortController();
          const session = openSession(options, () => until.abort());
          const monitor = new DeviceMonitor(
            () => look(app),
            (events) => emit(shape, "DeviceEvents", [session.path, events]),
          );
          // What it may see no more, as its leave was taken, ends the session.
          const update = (): void =>
            void monitor.update().catch((error: unknown) => {
              if (!(error instanceof BusCallError)) failed(error);
              session.close();
            });
          changes.listen(update, until.signal);
          loop.retry(update);
          return [session.path];
        },
        async EnumerateDevices({ app }) {
          return [[...(await look(app))]];
        },
        AcquireDevices: async (call, _window, wanted, options) => [await access.acquire(call, wanted, options)],
        FinishAcquireDevices: async ({ app }, handle) => await access.finish(app, handle),
        ReleaseDevices(_call, ids) {
          access.release(ids);
          return [];
        },
      },
      properties: { version: () => 1 },
    };
  });
}
