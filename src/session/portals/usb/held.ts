// SPDX-License-Identifier: Apache-2.0
import { constants, fstatSync, openSync } from "node:fs";
import { join } from "node:path";
import { limits } from "../../../base/limits.ts";
import { closeDescriptors } from "../../../sys/transfer.ts";
import { revokeUsbDevice } from "../../../sys/usb.ts";
import type { UsbDevice } from "./device.ts";

/** The minor and major numbers as `stat` has them (makedev(3)), for device numbers below 4096 and 256. */
function numbers(device: number): string {
  return `${(device >> 8) & 0xfff}:${(device & 0xff) | ((device >> 12) & 0xfff00)}`;
}

/** Devices that one connection has open: what is passed on stays open here, as only by a copy of it can it be taken back. */
export class HeldDevices {
  readonly #nodes: string;
  readonly #held = new Map<string, { readonly device: UsbDevice; readonly descriptors: number[] }>();

  /** @param nodes where device nodes are */
  constructor(nodes: string) {
    this.#nodes = nodes;
  }

  get devices(): readonly (readonly [id: string, device: UsbDevice])[] {
    return [...this.#held].map(([id, { device }]) => [id, device]);
  }

  /** Opens a device. Throws what node:fs does, and an `Error` where its node is not the device's. */
  open(id: string, device: UsbDevice, writable: boolean): number {
    const count = [...this.#held.values()].reduce((sum, { descriptors }) => sum + descriptors.length, 0);
    if (count >= limits.usbDevicesHeld) throw new Error("This connection has too many devices open");
    const { O_RDWR, O_RDONLY, O_NONBLOCK, O_NOFOLLOW } = constants;
    const fd = openSync(join(this.#nodes, device.node), (writable ? O_RDWR : O_RDONLY) | O_NONBLOCK | O_NOFOLLOW);
    const status = fstatSync(fd);
    if (!status.isCharacterDevice() || numbers(status.rdev) !== device.number) {
      closeDescriptors([fd]);
      throw new Error("The device's node is that of another one");
    }
    const held = this.#held.get(id) ?? { device, descriptors: [] };
    held.descriptors.push(fd);
    this.#held.set(id, held);
    return fd;
  }

  /** Takes a device back, as far as the kernel can. */
  release(id: string): void {
    const { descriptors } = this.#held.get(id) ?? { descriptors: [] };
    this.#held.delete(id);
    for (const fd of descriptors) revokeUsbDevice(fd);
    closeDescriptors(descriptors);
  }

  releaseAll(): void {
    for (const id of [...this.#held.keys()]) this.release(id);
  }
}
