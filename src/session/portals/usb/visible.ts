// SPDX-License-Identifier: Apache-2.0
import { accessSync, constants } from "node:fs";
import { join } from "node:path";
import { BusCallError } from "../../../dbus/errors.ts";
import { type Variant, variant } from "../../../formats/dbus/types.ts";
import { readPermissions } from "../../../metadata/permissions/codec.ts";
import { usbQueryFits } from "../../../metadata/permissions/usb.ts";
import type { CallingApp } from "../app.ts";
import { portalErrors } from "../errors.ts";
import type { BackendServices } from "../served.ts";
import { type UsbDevice, usbPermissionId } from "./device.ts";
import type { UsbDevices } from "./devices.ts";

/** Devices by the ids that apps know them by. */
export type VisibleDevices = ReadonlyMap<string, UsbDevice>;

/** Whether the permission store or the machine's owner keeps an app from all USB devices. */
export async function isUsbRefused({ decide }: BackendServices, app: CallingApp): Promise<boolean> {
  return (await decide(app, "usb", "usb", "yes")) === "no";
}

export async function isDeviceRefused(
  { decide }: BackendServices,
  app: CallingApp,
  device: UsbDevice,
): Promise<boolean> {
  return (await decide(app, "usb", usbPermissionId(device), "ask")) === "no";
}

/**
 * The devices that an app may know of: those that its permissions name and do not hide, and that nobody has refused it.
 * Throws `NotAllowed` where it may not use USB at all.
 */
export async function visibleDevices(
  services: BackendServices,
  devices: UsbDevices,
  app: CallingApp,
): Promise<VisibleDevices> {
  if (await isUsbRefused(services, app)) throw new BusCallError(portalErrors.notAllowed, "This app may not use USB");
  const { enumerable, hidden } = readPermissions(app.info()).usb;
  if (enumerable.length === 0) return new Map();
  const found: [string, UsbDevice][] = [];
  for (const [id, device] of await devices.look()) {
    const fits = (query: string): boolean => usbQueryFits(query, device);
    if (!enumerable.some(fits) || hidden.some(fits)) continue;
    if (!(await isDeviceRefused(services, app, device))) found.push([id, device]);
  }
  return new Map(found);
}

function canOpen(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}

/** What an app is told of a device. */
export function describeDevice(
  visible: VisibleDevices,
  { parent, node, properties }: UsbDevice,
  nodes: string,
): ReadonlyMap<string, Variant> {
  const path = join(nodes, node);
  const [above] = [...visible].find(([, { name }]) => name === parent) ?? [];
  return new Map([
    ...(above === undefined ? [] : [["parent", variant("s", above)] as const]),
    ["device-file", variant("s", path)],
    ["readable", variant("b", canOpen(path, constants.R_OK))],
    ["writable", variant("b", canOpen(path, constants.R_OK | constants.W_OK))],
    ["properties", variant("a{sv}", new Map([...properties].map(([key, text]) => [key, variant("s", text)])))],
  ]);
}
