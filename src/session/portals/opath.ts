// SPDX-License-Identifier: Apache-2.0
import { fstatSync } from "node:fs";
import { O_PATH } from "../../sys/beneath.ts";
import { callerDescriptor } from "../documents/callerfile.ts";
import { invalid } from "./spawn.ts";

/**
 * Whether what a caller's descriptor holds can be written to as the caller sees it: a mount that is read-only for it must
 * not become writable in a sandbox that it asks for. The descriptor must be one of O_PATH, which gives no access by itself,
 * and of a mount in the caller's own namespace. Throws `InvalidArgs`.
 *
 * @param child a process of the caller's sandbox
 */
export function isWritableFor(child: number, fd: number): boolean {
  const { flags, mount } = callerDescriptor(child, fd);
  const status = fstatSync(fd);
  if ((flags & O_PATH) === 0 || !(status.isDirectory() || status.isFile())) {
    throw invalid("A descriptor to expose must hold a file or a folder, opened with O_PATH and O_NOFOLLOW");
  }
  if (mount === undefined) throw invalid("A descriptor to expose must be of the caller's own sandbox");
  return mount.writable;
}
