// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, mkdirSync, openSync } from "node:fs";
import { address, check, cString, syscall, syscallNumber } from "./libc.ts";

const resolveNoMounts = 0x01;
const resolveNoSymlinks = 0x04;
const resolveBeneath = 0x08;

/** `O_PATH`, which `node:fs` does not name: 0o10000000 on every architecture that Dowel runs on. */
export const O_PATH = 0o10000000;
const O_CLOEXEC = 0o2000000;

/**
 * Opens a path beneath a folder's descriptor; no component may be a symbolic link or lead out of the folder
 * (openat2(2), Linux 5.6). Throws a `SystemError`: ELOOP for a link, EXDEV for an escape.
 */
export function openBeneath(folder: number, path: string, flags: number, mode = 0): number {
  return openResolved(folder, path, { flags, mode, resolve: resolveBeneath | resolveNoSymlinks });
}

function openResolved(
  folder: number,
  path: string,
  { flags, mode, resolve }: { readonly flags: number; readonly mode: number; readonly resolve: number },
): number {
  const how = new BigUint64Array(new ArrayBuffer(24));
  how[0] = BigInt(flags | O_CLOEXEC);
  how[1] = BigInt(mode);
  how[2] = BigInt(resolve);
  const bytes = new Uint8Array(how.buffer);
  const name = cString(path);
  return check("openat2", path, () =>
    syscall(syscallNumber.openat2, folder, address(name), address(bytes), bytes.length),
  );
}

/** A descriptor that closes itself with `using`. */
export class Descriptor implements Disposable {
  readonly fd: number;

  constructor(fd: number) {
    this.fd = fd;
  }

  static open(path: string, flags: number, mode = 0): Descriptor {
    return new Descriptor(openSync(path, flags, mode));
  }

  static beneath(folder: Descriptor, path: string, flags: number, mode = 0): Descriptor {
    return new Descriptor(openBeneath(folder.fd, path, flags, mode));
  }

  /** The same, and never through a mount point: EXDEV for one. */
  static within(folder: Descriptor, path: string, flags: number): Descriptor {
    const resolve = resolveBeneath | resolveNoSymlinks | resolveNoMounts;
    return new Descriptor(openResolved(folder.fd, path, { flags, mode: 0, resolve }));
  }

  /** A path that names what the descriptor holds, for calls that take only paths. */
  get path(): string {
    return `/proc/self/fd/${this.fd}`;
  }

  [Symbol.dispose](): void {
    closeSync(this.fd);
  }
}

/**
 * Makes the folders of a relative path beneath an open folder, one after the other, never through a link, and opens
 * the last. Folders that exist are left as they are. Throws a `SystemError`: ELOOP or ENOTDIR where something else is in the way.
 */
export function makeFoldersBeneath(root: Descriptor, names: readonly string[], mode: number): Descriptor {
  let folder = Descriptor.beneath(root, ".", constants.O_RDONLY | constants.O_DIRECTORY);
  for (const name of names) {
    using parent = folder;
    try {
      mkdirSync(`${parent.path}/${name}`, { mode });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    folder = Descriptor.beneath(parent, name, constants.O_RDONLY | constants.O_DIRECTORY);
  }
  return folder;
}
