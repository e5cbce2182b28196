// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, openSync, readdirSync, statSync } from "node:fs";
import { check, libc, ptr } from "./libc.ts";
import { type Mount, mountOf, readMounts } from "./mountinfo.ts";

/** `_IOR(0x15, 0, struct fsuuid2)`: a length in a byte, then 16 bytes (Linux 6.9, linux/fs.h). */
const FS_IOC_GETFSUUID = 0x8011_1500;
const links = "/dev/disk/by-uuid";

/** File systems that another machine or a process answers for. */
const remote = /^(?:nfs4?|cifs|smb3?|ceph|afs|9p|virtiofs|autofs|fuse(?:\..*)?)$/;

export interface Medium {
  /** The same for the same file system, wherever and as whichever device it is mounted. */
  readonly identity: string;
  /** Another machine, or a process, answers for it: asking whether something is there could take for ever. */
  readonly isRemote: boolean;
  /** `st_dev` of the folder; undefined where it is not there, or nobody asked. */
  readonly device: number | undefined;
  /** udev's link, which is there, and unchanged, as long as the device is; undefined where there is none. */
  readonly link: string | undefined;
}

/** The number of the block device that is mounted; undefined for none. */
function blockDevice({ device, source }: Mount): number | undefined {
  const major = (device & 0xfff00) >> 8;
  if (major !== 0) return device;
  // Btrfs has numbers of its own, as what is on no device.
  return source.startsWith("/dev/") ? statSync(source, { throwIfNoEntry: false })?.rdev : undefined;
}

/** The name that udev has for a block device's file system. */
function linkOf(device: number): string | undefined {
  try {
    return readdirSync(links).find((name) => statSync(`${links}/${name}`, { throwIfNoEntry: false })?.rdev === device);
  } catch {
    // Small systems have no udev.
    return undefined;
  }
}

/** In the form that udev and blkid(8) have; those of FAT have four bytes, the last one first. */
function formatUuid(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString("hex");
  if (bytes.length === 16) return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  const reversed = Buffer.from(bytes).reverse().toString("hex").toUpperCase();
  return bytes.length === 4 ? `${reversed.slice(0, 4)}-${reversed.slice(4)}` : hex;
}

/** What the kernel says; undefined where it or the file system knows none. */
function kernelUuid(path: string): string | undefined {
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NONBLOCK);
    try {
      const answer = new Uint8Array(new ArrayBuffer(17));
      check("FS_IOC_GETFSUUID", path, () => libc.ioctl(fd, FS_IOC_GETFSUUID, ptr(answer)));
      const length = answer[0] ?? 0;
      return length > 0 && length <= 16 ? formatUuid(answer.slice(1, 1 + length)) : undefined;
    } finally {
      closeSync(fd);
    }
  } catch {
    return undefined;
  }
}

/**
 * The medium that a folder lies on; undefined on the file systems of `/` and of the home folder, which nobody takes away.
 * The file system's UUID tells one from another; where it has none, its type and what was mounted. A file system that
 * another machine answers for is not asked anything.
 *
 * @param path absolute, without links; need not be there
 */
export function mediumOf(path: string, home: string, mounts: readonly Mount[] = readMounts()): Medium | undefined {
  const mount = mountOf(path, mounts);
  if (mount === undefined) return undefined;
  if (["/", home].some((own) => mountOf(own, mounts)?.device === mount.device)) return undefined;
  if (remote.test(mount.type)) {
    return { identity: `${mount.type}:${mount.source}`, isRemote: true, device: undefined, link: undefined };
  }
  const block = blockDevice(mount);
  const name = block === undefined ? undefined : linkOf(block);
  const uuid = name ?? (block === undefined ? undefined : kernelUuid(mount.target));
  return {
    identity: uuid === undefined ? `${mount.type}:${mount.source}` : `uuid:${uuid}`,
    isRemote: false,
    device: statSync(path, { throwIfNoEntry: false })?.dev,
    link: name === undefined ? undefined : `${links}/${name}`,
  };
}
