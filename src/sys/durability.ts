// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { check, libc } from "./libc.ts";

/** Writes everything of the file system that holds `path` to its device (syncfs(2)). */
export function syncFileSystem(path: string): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    check("syncfs", path, () => libc.syncfs(fd));
  } finally {
    closeSync(fd);
  }
}

const syncFileRangeWrite = 2;

/**
 * Asks the device to begin with what has been written to a file, without waiting (sync_file_range(2)). Nothing is
 * durable by it: it only leaves less to do for the sync that must follow. What the kernel answers does not matter.
 */
export function startWriting(fd: number): void {
  libc.sync_file_range(fd, 0, 0, syncFileRangeWrite);
}

/** Makes the names in a folder durable (fsync(2) of the folder). */
export function syncFolder(path: string): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

let counter = 0;

/** A name beside `path` that no other process and no other call uses. */
export function temporaryName(path: string): string {
  counter += 1;
  return `${path}.tmp-${process.pid}-${counter}`;
}

/** Writes a file aside and renames it into place. */
function replace(path: string, data: Uint8Array | string, mode: number, isDurable: boolean): void {
  const temporary = temporaryName(path);
  try {
    const fd = openSync(
      temporary,
      constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
      mode,
    );
    try {
      const bytes = typeof data === "string" ? Buffer.from(data) : data;
      for (let offset = 0; offset < bytes.length; ) offset += writeSync(fd, bytes, offset);
      if (isDurable) fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** Replaces a file so that after a crash either the old or the new content is there: temp, fsync, rename, fsync of the folder. */
export function writeFileDurably(path: string, data: Uint8Array | string, mode = 0o644): void {
  replace(path, data, mode, true);
  syncFolder(dirname(path));
}

/**
 * Replaces a file that can be had anew, and waits for no disk. A process that dies leaves the old or the new content; after
 * a power cut it may be empty or cut short as well, which whoever reads it must notice.
 */
export function writeCache(path: string, data: Uint8Array | string): void {
  replace(path, data, 0o644, false);
}
