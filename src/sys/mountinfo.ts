// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";

/** A mount as proc(5) tells it. */
export interface Mount {
  /** Unique among those that there are. */
  readonly id: string;
  /** Number of the device, as `st_dev` has it for most file systems. */
  readonly device: number;
  readonly target: string;
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
    const [id = "", , device = "", , target = ""] = before.split(" ");
    const [type = "", source = ""] = after.split(" ");
    return { id, device: deviceNumber(device), target: decodeEscapes(target), type, source: decodeEscapes(source) };
  });
}

/** The mounts of this process's mount namespace. */
export function readMounts(): readonly Mount[] {
  // Its paths are bytes; those that are no UTF-8 are found by nobody here.
  return parseMounts(readFileSync("/proc/self/mountinfo", "utf8"));
}

/** Whether a path without links is a folder or lies below it. */
export function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder === "/" ? "/" : `${folder}/`);
}

/** The mount that a path without links lies on: a later one covers those that are there. Pure. */
export function mountOf(path: string, mounts: readonly Mount[]): Mount | undefined {
  return mounts.findLast(({ target }) => isWithin(path, target));
}
