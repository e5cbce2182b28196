// SPDX-License-Identifier: Apache-2.0
import { fstatSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { invalidArgument } from "./texts.ts";

const O_PATH = 0o10000000;
const accessMode = 0o3;

/** How a caller opened a descriptor: fields of `/proc/PID/fdinfo/FD` (proc(5)). */
function fieldOfDescriptor(fd: number, key: "flags" | "mnt_id"): string {
  const text = readFileSync(`/proc/self/fdinfo/${fd}`, "latin1");
  return new RegExp(`^${key}:\\s*(\\S+)`, "m").exec(text)?.[1] ?? "";
}

/** Whether a descriptor by itself shows that its holder can write to the file. */
export function isOpenForWriting(fd: number): boolean {
  const flags = Number.parseInt(fieldOfDescriptor(fd, "flags"), 8);
  return (flags & O_PATH) === 0 && (flags & accessMode) !== 0;
}

/**
 * The path on the host of a file that a caller holds open. What the link says may be a path of the sandbox, so the same
 * file must lie there. Throws `InvalidArgument`.
 */
export function hostPathOf(fd: number): string {
  const path = readlinkSync(`/proc/self/fd/${fd}`);
  const found = fstatSync(fd, { bigint: true });
  try {
    const there = statSync(path, { bigint: true });
    if (path.startsWith("/") && there.dev === found.dev && there.ino === found.ino) return path;
  } catch {
    // It is said below.
  }
  throw invalidArgument("The file has no path outside of the sandbox");
}
