// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, readSync } from "node:fs";
import { errnoOf } from "../base/errors.ts";
import { check, cString, ptr, syscall } from "./libc.ts";

/** asm-generic's numbers, and those of x86-64. */
const [initNumber, addNumber] = process.arch === "x64" ? [294, 254] : [26, 27];
const IN_CLOEXEC = 0o2000000;
/** IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE, IN_DELETE, IN_DELETE_SELF: names come and go. */
const namesChange = 0x40 | 0x80 | 0x100 | 0x200 | 0x400;

const events = Buffer.allocUnsafeSlow(4096);

/** Tells by a descriptor that names come or go in folders (inotify(7)); what has changed is for the reader to look at. */
export class FolderWatch implements Disposable {
  readonly fd = check("inotify_init1", undefined, () => syscall(initNumber, IN_CLOEXEC | constants.O_NONBLOCK));

  /** Throws a `SystemError`. */
  add(path: string): void {
    const text = cString(path);
    check("inotify_add_watch", path, () => syscall(addNumber, this.fd, ptr(text), namesChange));
  }

  /** Forgets what was told. */
  drain(): void {
    try {
      while (readSync(this.fd, events) > 0);
    } catch (error) {
      if (errnoOf(error) !== "EAGAIN") throw error;
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.fd);
  }
}
