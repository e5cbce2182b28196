// SPDX-License-Identifier: Apache-2.0
import { open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { limits } from "../../../base/limits.ts";
import type { EventLoop } from "../../../loop/loop.ts";
import { watchDevices } from "../../../sys/notices.ts";
import { onReadable } from "../source.ts";
import { isUsbDeviceName, numberOf, parseUsbDevice, type UsbDevice } from "./device.ts";

/** Where USB devices are on a machine. */
export interface UsbHost {
  readonly sysfs: string;
  /** udev's database; without it devices are named by what they say of themselves. */
  readonly udev: string;
  /** Where device nodes are. */
  readonly nodes: string;
  /** Calls a function when devices may have come, changed or gone. */
  readonly watch: (loop: EventLoop, tell: () => void) => Disposable;
}

export const machineUsb: UsbHost = {
  sysfs: "/sys/bus/usb/devices",
  udev: "/run/udev/data",
  nodes: "/dev",
  watch: (loop, tell) => onReadable(loop, watchDevices(), tell),
};

async function textOf(path: string): Promise<string> {
  try {
    await using file = await open(path, "r");
    const { buffer, bytesRead } = await file.read(Buffer.alloc(limits.usbTextBytes));
    return buffer.toString("utf8", 0, bytesRead).replace(/\n$/, "");
  } catch {
    // Attributes that a device does not have, and devices that have just gone.
    return "";
  }
}

async function readDevice(host: UsbHost, name: string, interfaces: readonly string[]): Promise<UsbDevice | undefined> {
  const at = (file: string): Promise<string> => textOf(join(host.sysfs, name, file));
  const uevent = await at("uevent");
  const number = numberOf(uevent);
  if (number === undefined) return undefined;
  return parseUsbDevice(name, {
    uevent,
    manufacturer: await at("manufacturer"),
    product: await at("product"),
    serial: await at("serial"),
    interfaces: await Promise.all(interfaces.map((one) => textOf(join(host.sysfs, one, "uevent")))),
    udev: await textOf(join(host.udev, `c${number}`)),
  });
}

async function readDevices(host: UsbHost): Promise<readonly UsbDevice[]> {
  // A machine without USB has no such folder.
  const names = await readdir(host.sysfs).catch(() => []);
  const found = names.filter(isUsbDeviceName).sort().slice(0, limits.usbDevices);
  const all = await Promise.all(
    found.map((name) => {
      const interfaces = names.filter((one) => one.startsWith(`${name}:`)).sort();
      return readDevice(host, name, interfaces);
    }),
  );
  return all.filter((device) => device !== undefined);
}

/** What makes two devices at one place two: the kernel numbers each anew. */
function identity({ name, number, node, vendor, product, properties }: UsbDevice): string {
  return JSON.stringify([name, number, node, vendor, product, properties.get("ID_SERIAL_SHORT")]);
}

/** The USB devices of a machine by ids that say nothing of them, and that last as long as a device is plugged in. */
export class UsbDevices {
  readonly #loop: EventLoop;
  readonly #host: UsbHost;
  #ids: ReadonlyMap<string, string> = new Map();
  #running: Promise<unknown> = Promise.resolve();
  #next: Promise<ReadonlyMap<string, UsbDevice>> | undefined;

  constructor(loop: EventLoop, host: UsbHost) {
    this.#loop = loop;
    this.#host = host;
  }

  /** What is there now: a look that began before this call does not count. */
  look(): Promise<ReadonlyMap<string, UsbDevice>> {
    this.#next ??= this.#loop.during(this.#after(this.#running));
    return this.#next;
  }

  async #after(before: Promise<unknown>): Promise<ReadonlyMap<string, UsbDevice>> {
    await before.catch(() => undefined);
    const look = this.#look();
    this.#running = look;
    this.#next = undefined;
    return await look;
  }

  async #look(): Promise<ReadonlyMap<string, UsbDevice>> {
    const devices = await readDevices(this.#host);
    const ids = new Map(devices.map((device) => [identity(device), device] as const));
    const found = [...ids].map(([key, device]) => [key, this.#ids.get(key) ?? crypto.randomUUID(), device] as const);
    this.#ids = new Map(found.map(([key, id]) => [key, id]));
    return new Map(found.map(([, id, device]) => [id, device]));
  }
}
