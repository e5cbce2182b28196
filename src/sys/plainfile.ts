// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, fstatSync, openSync, readFileSync, readSync } from "node:fs";
import { DowelError, errnoOf } from "../base/errors.ts";

/**
 * Opens a file that must be a plain one for reading. What may lie in its place instead is not waited for: a pipe would wait
 * for a writer, a device has no end. Throws `STORE_INVALID` for it, and what the system says of all else.
 */
export function openPlainFile(path: string): number {
  let fd: number | undefined;
  let isPlain = false;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    isPlain = fstatSync(fd).isFile();
    if (isPlain) return fd;
  } catch (error) {
    // A socket, or a device that nothing drives; open(2).
    if (errnoOf(error) !== "ENXIO") throw error;
  } finally {
    if (fd !== undefined && !isPlain) closeSync(fd);
  }
  throw new DowelError("STORE_INVALID", `${path}: something else lies in the place of a file`);
}

/** Reads a file that must be a plain one. Throws as `openPlainFile`. */
export function readPlainFile(path: string): Buffer {
  const fd = openPlainFile(path);
  try {
    return readFileSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** As `readPlainFile`, with so many zeros behind the bytes for each of them. */
export function readPlainFileWithRoom(path: string, share: number): { readonly memory: Buffer; readonly size: number } {
  const fd = openPlainFile(path);
  try {
    const { size } = fstatSync(fd);
    const memory = Buffer.alloc(Math.ceil(size * (1 + share)) + 8);
    let used = 0;
    for (let count = -1; count !== 0 && used < size; used += count)
      count = readSync(fd, memory, used, size - used, used);
    return { memory, size: used };
  } finally {
    closeSync(fd);
  }
}

export interface LineOptions {
  /** Bytes of a line; longer ones are left out. */
  readonly longest: number;
  /** Only the lines that begin in so many bytes at the end of the file. */
  readonly newest?: number | undefined;
}

const blockBytes = 64 * 1024;
const lineEnd = 0x0a;

/**
 * The lines of a plain file, in their order and without their ends. Of a file of any size no more is held at once than a
 * block and a line. Throws as `openPlainFile`.
 */
export function* readLines(
  path: string,
  { longest, newest = Number.POSITIVE_INFINITY }: LineOptions,
): Generator<string> {
  const fd = openPlainFile(path);
  try {
    // One byte more, so that a line which begins just there is not taken for the end of another.
    const from = Math.max(0, fstatSync(fd).size - newest - 1);
    const block = Buffer.alloc(blockBytes);
    let isPassing = from > 0;
    let rest = Buffer.alloc(0);
    for (let at = from; ; ) {
      const length = readSync(fd, block, 0, block.length, at);
      if (length === 0) break;
      at += length;
      const read = block.subarray(0, length);
      const bytes = rest.length === 0 ? read : Buffer.concat([rest, read]);
      let begin = 0;
      for (let end = bytes.indexOf(lineEnd); end >= 0; end = bytes.indexOf(lineEnd, begin)) {
        if (!isPassing && end - begin <= longest) yield bytes.toString("utf8", begin, end);
        isPassing = false;
        begin = end + 1;
      }
      isPassing ||= bytes.length - begin > longest;
      rest = isPassing ? Buffer.alloc(0) : Buffer.from(bytes.subarray(begin));
    }
    if (!isPassing && rest.length > 0) yield rest.toString();
  } finally {
    closeSync(fd);
  }
}
