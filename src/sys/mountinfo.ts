// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";

/** A mount as proc(5) tells it. */
export interface Mount {
  /** Unique among those that there are. */
  readonly id: string;
  /** Number of the device, as `st_dev` has it for most file systems. */
  readonly device: number;
  /** The path within the file system that is shown. */
  readonly root: string;
  readonly target: string;
  /** Whether neither the mount nor its file system is read-only. */
  readonly writable: boolean;
  readonly type: string;
  /** What was mounted: a device, a server's folder, or any word. */
  readonly source: string;
}

function decodeEscapes(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

/** The number of `MAJOR:MINOR`, encoded as the kernel does it in `struct stat`. */
function deviceNumber(text: string): number {
  const [major = 0, minor = 0] = text.split(":").map(Number);
  return (minor & 0xff) + (major << 8) + (minor & ~0xff) * 0x1000;
}

/** The mounts of a mount namespace, in the order in which they were made (proc(5), mountinfo). Pure. */
function parseMounts(text: string): readonly Mount[] {
  const lines = text.split("\n").filter((line) => line !== "");
  return lines.map((line) => {
    const [before = "", after = ""] = line.split(" - ");
    const [id = "", , device = "", root = "", target = "", options = ""] = before.split(" ");
    const [type = "", source = "", ofFileSystem = ""] = after.split(" ");
    const writable = [options, ofFileSystem].every((all) => all.split(",").includes("rw"));
    const paths = { root: decodeEscapes(root), target: decodeEscapes(target), source: decodeEscapes(source) };
    return { id, device: deviceNumber(device), writable, type, ...paths };
  });
}

/** The mounts of a process's mount namespace; of this one's. */
export function readMounts(pid: number | "self" = "self"): readonly Mount[] {
  // Its paths are bytes; those that are no UTF-8 are found by nobody here.
  return parseMounts(readFileSync(`/proc/${pid}/mountinfo`, "utf8"));
}

/** Whether a path without links is a folder or lies below it. */
export function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder === "/" ? "/" : `${folder}/`);
}

/** The mount that a path without links lies on: a later one covers those that are there. Pure. */
export function mountOf(path: string, mounts: readonly Mount[]): Mount | undefined {
  return mounts.findLast(({ target }) => isWithin(path, target));
}
