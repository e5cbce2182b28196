// SPDX-License-Identifier: Apache-2.0
import { check, libc, ptr } from "./libc.ts";

const FS_IOC_ENABLE_VERITY = 0x40806685;
const FS_VERITY_HASH_ALG_SHA256 = 1;
const blockSize = 4096;

/**
 * Enables fs-verity (sha256, 4096-byte blocks, no salt) on a file that is open for reading only and that nobody has
 * open for writing. Throws a `SystemError`: ENOTTY or EOPNOTSUPP where kernel or file system lack it, EEXIST where it is on.
 */
export function enableVerity(fd: number, path: string): void {
  const buffer = new ArrayBuffer(128);
  const view = new DataView(buffer);
  view.setUint32(0, 1, true);
  view.setUint32(4, FS_VERITY_HASH_ALG_SHA256, true);
  view.setUint32(8, blockSize, true);
  const argument = new Uint8Array(buffer);
  check("FS_IOC_ENABLE_VERITY", path, () => libc.ioctl(fd, FS_IOC_ENABLE_VERITY, ptr(argument)));
}
