// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import { DowelError } from "../base/errors.ts";

/**
 * Reads a file that must be a plain one. What may lie in its place instead is not read: a pipe would wait for a writer, a
 * device has no end. Throws `STORE_INVALID` for it, and what the system says of all else.
 */
export function readPlainFile(path: string): Buffer {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    if (fstatSync(fd).isFile()) return readFileSync(fd);
  } finally {
    closeSync(fd);
  }
  throw new DowelError("STORE_INVALID", `${path}: something else lies in the place of a file`);
}
