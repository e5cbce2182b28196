// SPDX-License-Identifier: Apache-2.0
import { fstatSync, readFileSync } from "node:fs";
import { invalid } from "./spawn.ts";

const O_PATH = 0o10000000;

function fieldOf(text: string, key: string): string {
  return new RegExp(`^${key}:\\s*(\\S+)`, "m").exec(text)?.[1] ?? "";
}

/**
 * Whether the mount of a descriptor can be written to in the caller's own namespace; undefined where it has no such mount.
 *
 * @param child a process of the caller's sandbox
 */
export function isWritableMount(child: number, fd: number): boolean | undefined {
  const mount = fieldOf(readFileSync(`/proc/self/fdinfo/${fd}`, "latin1"), "mnt_id");
  const line = readFileSync(`/proc/${child}/mountinfo`, "latin1")
    .split("\n")
    .find((one) => one.startsWith(`${mount} `));
  return line?.split(" ")[5]?.split(",").includes("rw");
}

/**
 * Whether what a caller's descriptor holds can be written to as the caller sees it: a mount that is read-only for it must
 * not become writable in a sandbox that it asks for. The descriptor must be one of O_PATH, which gives no access by itself,
 * and of a mount in the caller's own namespace. Throws `InvalidArgs`.
 *
 * @param child a process of the caller's sandbox
 */
export function isWritableFor(child: number, fd: number): boolean {
  const text = readFileSync(`/proc/self/fdinfo/${fd}`, "latin1");
  const status = fstatSync(fd);
  if ((Number.parseInt(fieldOf(text, "flags"), 8) & O_PATH) === 0 || !(status.isDirectory() || status.isFile())) {
    throw invalid("A descriptor to expose must hold a file or a folder, opened with O_PATH and O_NOFOLLOW");
  }
  const writable = isWritableMount(child, fd);
  if (writable === undefined) throw invalid("A descriptor to expose must be of the caller's own sandbox");
  return writable;
}
