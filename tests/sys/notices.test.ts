// SPDX-License-Identifier: Apache-2.0

import { expect, test } from "bun:test";
import { accessSync, constants, readSync, writeFileSync } from "node:fs";
import { EventLoop } from "../../src/loop/loop.ts";
import { pollFor } from "../../src/sys/epoll.ts";
import { watchDevices } from "../../src/sys/notices.ts";
import { closeDescriptors } from "../../src/sys/transfer.ts";

/** Root of a machine can have the kernel say anew that a device is there (sysfs, Documentation/ABI/testing/sysfs-uevent). */
const trigger = "/sys/class/mem/null/uevent";

function isWritable(): boolean {
  try {
    accessSync(trigger, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

// A container may not write to sysfs.
test.skipIf(!isWritable())("watchDevices() becomes readable when the kernel tells of a device", async () => {
  const fd = watchDevices();
  using loop = new EventLoop();
  const { promise, resolve } = Promise.withResolvers<string>();
  const buffer = Buffer.alloc(8192);
  const watch = loop.watch(fd, pollFor.input, () => {
    const text = buffer.toString("latin1", 0, readSync(fd, buffer));
    if (text.startsWith("change@/devices/virtual/mem/null\0")) resolve(text);
    loop.yield();
  });
  writeFileSync(trigger, "change");
  expect(await loop.runUntil(promise)).toContain("DEVNAME=null");
  watch[Symbol.dispose]();
  closeDescriptors([fd]);
});
