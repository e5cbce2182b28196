// SPDX-License-Identifier: Apache-2.0
import { libc, ptr } from "./libc.ts";

/** Of linux/usbdevice_fs.h: _IOR('U', 16, unsigned int), and _IOW('U', 30, __u32) since Linux 4.6. */
const USBDEVFS_RELEASEINTERFACE = 0x80045510;
const USBDEVFS_DROP_PRIVILEGES = 0x4004551e;
/** Interfaces that a mask of usbfs has room for. */
const mostInterfaces = 32;

/**
 * Takes back what the kernel can of a USB device's descriptor, from all copies of it at once: no interface can be claimed
 * any more, no driver be detached, and interfaces that are claimed are let go, with the transfers on them. What stays are
 * requests to the device itself (endpoint 0, and choosing a configuration that no driver uses) and its descriptors; usbfs
 * has no way to end these. Does nothing to a descriptor of anything else, and to one that was opened for reading, which
 * allows none of this.
 */
export function revokeUsbDevice(fd: number): void {
  const number = new Uint32Array(1);
  // First, so that nothing is claimed anew; 0 is the mask of no interface.
  libc.ioctl(fd, USBDEVFS_DROP_PRIVILEGES, ptr(number));
  for (let one = 0; one < mostInterfaces; one++) {
    number[0] = one;
    libc.ioctl(fd, USBDEVFS_RELEASEINTERFACE, ptr(number));
  }
}
