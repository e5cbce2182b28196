// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, openSync } from "node:fs";
import { errnoOf } from "../base/errors.ts";
import { check, libc, ptr } from "./libc.ts";

const LOOP_CTL_GET_FREE = 0x4c82;
const LOOP_CONFIGURE = 0x4c0a;
const LO_FLAGS_READ_ONLY = 1;
const LO_FLAGS_AUTOCLEAR = 4;
/** `struct loop_config`: descriptor, block size, `struct loop_info64` of 232 bytes with its flags at 52, 64 reserved bytes. */
const configSize = 304;
const flagsOffset = 8 + 52;
/** Another process may take the free device first. */
const tries = 16;

export interface LoopDevice extends Disposable {
  readonly path: string;
}

/**
 * Shows a file as a read-only block device (loop(4), Linux 5.8). The device goes away when it is disposed of and no
 * file system is mounted from it any more. Throws a `SystemError`.
 */
export function attachLoop(file: number): LoopDevice {
  const control = openSync("/dev/loop-control", constants.O_RDWR);
  try {
    for (let attempt = 1; ; attempt++) {
      const number = check("LOOP_CTL_GET_FREE", "/dev/loop-control", () =>
        libc.ioctl(control, LOOP_CTL_GET_FREE, null),
      );
      const device = configure(`/dev/loop${number}`, file, attempt < tries);
      if (device !== undefined) return device;
    }
  } finally {
    closeSync(control);
  }
}

function configure(path: string, file: number, mayBeBusy: boolean): LoopDevice | undefined {
  const fd = openSync(path, constants.O_RDONLY);
  try {
    const buffer = new ArrayBuffer(configSize);
    const view = new DataView(buffer);
    view.setUint32(0, file, true);
    view.setUint32(flagsOffset, LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR, true);
    const argument = new Uint8Array(buffer);
    check("LOOP_CONFIGURE", path, () => libc.ioctl(fd, LOOP_CONFIGURE, ptr(argument)));
    return { path, [Symbol.dispose]: () => closeSync(fd) };
  } catch (error) {
    closeSync(fd);
    if (errnoOf(error) === "EBUSY" && mayBeBusy) return undefined;
    throw error;
  }
}
