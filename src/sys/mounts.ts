// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, openSync } from "node:fs";
import { errnoOf } from "../base/errors.ts";
import { O_PATH } from "./beneath.ts";
import { address, check, cString, libc, ptr, syscall, syscallNumber } from "./libc.ts";
import { attachLoop } from "./loop.ts";
import { readMounts } from "./mountinfo.ts";

const FSCONFIG_SET_FLAG = 0;
const FSCONFIG_SET_STRING = 1;
const FSCONFIG_CMD_CREATE = 6;
const CLOEXEC = 1;
const MOUNT_ATTR_RDONLY = 0x1;
const MOUNT_ATTR_NOSUID = 0x2;
const MOUNT_ATTR_NODEV = 0x4;
const MOVE_MOUNT_F_EMPTY_PATH = 0x4;
const AT_FDCWD = -100;
const MNT_DETACH = 2;

type Setting = readonly [key: string, value: string] | readonly [flag: string];

/** A file system configured and mounted, but not attached anywhere yet; the caller closes the descriptor. */
function createMount(type: string, settings: readonly Setting[]): number {
  const typeName = cString(type);
  const context = check("fsopen", type, () => syscall(syscallNumber.fsopen, address(typeName), CLOEXEC));
  try {
    for (const [key, value] of settings) {
      const name = cString(key);
      const text = value === undefined ? undefined : cString(value);
      const command = text === undefined ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING;
      check("fsconfig", `${type}: ${key}`, () =>
        syscall(syscallNumber.fsconfig, context, command, address(name), address(text), 0),
      );
    }
    check("fsconfig", `${type}: create`, () => syscall(syscallNumber.fsconfig, context, FSCONFIG_CMD_CREATE));
    const attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
    return check("fsmount", type, () => syscall(syscallNumber.fsmount, context, CLOEXEC, attributes));
  } finally {
    closeSync(context);
  }
}

function attach(mount: number, target: string): void {
  const empty = cString("");
  const path = cString(target);
  check("move_mount", target, () =>
    syscall(syscallNumber.moveMount, mount, address(empty), AT_FDCWD, address(path), MOVE_MOUNT_F_EMPTY_PATH),
  );
}

export interface ComposefsMount {
  /** The composefs image file; trusted: made by this installation. */
  readonly image: string;
  /** Folder of the objects that the image names. */
  readonly objects: string;
  /** An existing, empty folder. */
  readonly target: string;
  /** Require that every object has the fs-verity digest that the image records. */
  readonly verity: boolean;
}

/**
 * Mounts a composefs image read-only: EROFS, below an overlay whose data-only lower is the
 * folder of objects (Linux 6.5). Needs root. Throws a `SystemError`; nothing stays mounted then.
 */
export function mountComposefs(options: ComposefsMount): void {
  const image = openSync(options.image, constants.O_RDONLY);
  const objects = openSync(options.objects, O_PATH | constants.O_DIRECTORY);
  try {
    const metadata = createErofs(image);
    try {
      // The overlay's lower needs a path; the target serves for the moment, then the overlay covers it.
      attach(metadata, options.target);
    } finally {
      closeSync(metadata);
    }
    try {
      attachOverlay(options, objects);
    } catch (error) {
      unmount(options.target);
      throw error;
    }
  } finally {
    closeSync(objects);
    closeSync(image);
  }
}

/**
 * Checks that the kernel can put another overlay over two folders; it does not put more than two over each other. Needs
 * root. Throws a `SystemError`; nothing is mounted afterwards.
 */
export function checkOverlayOver(above: string, beneath: string): void {
  const layers = [above, beneath].map((path) => openSync(path, O_PATH | constants.O_DIRECTORY));
  try {
    const lowers = layers.map((layer) => `/proc/self/fd/${layer}`).join(":");
    closeSync(createMount("overlay", [["lowerdir", lowers]]));
  } finally {
    for (const layer of layers) closeSync(layer);
  }
}

/** From the file itself (Linux 6.12), or through a loop device where kernel or file system cannot, as tmpfs cannot. */
function createErofs(image: number): number {
  const settings = (source: string): Setting[] => [["source", source], ["ro"], ["noacl"]];
  try {
    return createMount("erofs", settings(`/proc/self/fd/${image}`));
  } catch (error) {
    if (errnoOf(error) !== "ENOTBLK") throw error;
  }
  using device = attachLoop(image);
  return createMount("erofs", settings(device.path));
}

function attachOverlay(options: ComposefsMount, objects: number): void {
  const lower = openSync(options.target, O_PATH | constants.O_DIRECTORY);
  try {
    const overlay = createMount("overlay", [
      ["source", "composefs"],
      ["metacopy", "on"],
      ["redirect_dir", "on"],
      ...(options.verity ? [["verity", "require"] as const] : []),
      ["lowerdir", `/proc/self/fd/${lower}::/proc/self/fd/${objects}`],
    ]);
    try {
      unmount(options.target);
      attach(overlay, options.target);
    } finally {
      closeSync(overlay);
    }
  } finally {
    closeSync(lower);
  }
}

/** Detaches what is mounted on a path, now, even while files in it are open (umount2(2) with MNT_DETACH). */
export function unmount(target: string): void {
  const path = cString(target);
  check("umount2", target, () => libc.umount2(ptr(path), MNT_DETACH));
}

/** Mount points of this process's mount namespace with their file system types. */
export function listMounts(): { readonly target: string; readonly type: string }[] {
  return readMounts().map(({ target, type }) => ({ target, type }));
}
