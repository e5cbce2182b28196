// SPDX-License-Identifier: Apache-2.0
import { closeSync } from "node:fs";
import { check, cString, libc, ptr } from "./libc.ts";

const IN_NONBLOCK = 0o4000;
const IN_CLOEXEC = 0o2000000;
/** IN_MODIFY, IN_CLOSE_WRITE, IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE, IN_DELETE, IN_DELETE_SELF, IN_MOVE_SELF. */
const folderEvents = 0x2 | 0x8 | 0x40 | 0x80 | 0x100 | 0x200 | 0x400 | 0x800;
/** IN_ATTRIB, IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE, IN_DELETE, IN_DELETE_SELF, IN_MOVE_SELF. */
const nameEvents = 0x4 | 0x40 | 0x80 | 0x100 | 0x200 | 0x400 | 0x800;
const AF_NETLINK = 16;
const SOCK_RAW = 3;
const NETLINK_ROUTE = 0;
const NETLINK_KOBJECT_UEVENT = 15;
/** RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV4_ROUTE, RTMGRP_IPV6_IFADDR, RTMGRP_IPV6_ROUTE. */
const routeGroups = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;
/** What the kernel says itself, and what udev says when it has looked at a device. */
const deviceGroups = 0x1 | 0x2;

/** Opens what tells of changes in a folder by becoming readable (inotify(7)); the caller closes it. Throws a `SystemError`. */
export function watchFolder(path: string): number {
  const fd = check("inotify_init1", undefined, () => libc.inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  try {
    const name = cString(path);
    check("inotify_add_watch", path, () => libc.inotify_add_watch(fd, ptr(name), folderEvents));
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/**
 * Opens what tells of names that come and go in folders, and of what they mean, by becoming readable; the caller closes it.
 * Folders that are not there, or that the user has no room to watch, are left out.
 */
export function watchNames(folders: Iterable<string>): number {
  const fd = check("inotify_init1", undefined, () => libc.inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  for (const folder of folders) {
    const name = cString(folder);
    libc.inotify_add_watch(fd, ptr(name), nameEvents);
  }
  return fd;
}

function watchNetlink(protocol: number, groups: number): number {
  const type = SOCK_RAW | IN_NONBLOCK | IN_CLOEXEC;
  const fd = check("socket", undefined, () => libc.socket(AF_NETLINK, type, protocol));
  try {
    const address = new DataView(new ArrayBuffer(12));
    address.setUint16(0, AF_NETLINK, true);
    address.setUint32(8, groups, true);
    check("bind", undefined, () => libc.bind(fd, ptr(address), address.byteLength));
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Opens what tells of changed links, addresses and routes by becoming readable (rtnetlink(7)); the caller closes it. */
export function watchRoutes(): number {
  return watchNetlink(NETLINK_ROUTE, routeGroups);
}

/**
 * Opens what tells of devices that come, change and go by becoming readable (netlink(7), NETLINK_KOBJECT_UEVENT); the
 * caller closes it. Who sends is not checked: it is a reason to look, and nothing else.
 */
export function watchDevices(): number {
  return watchNetlink(NETLINK_KOBJECT_UEVENT, deviceGroups);
}
