// SPDX-License-Identifier: Apache-2.0
import { fstatSync, readFileSync, readlinkSync } from "node:fs";
import { DowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import type { ImagePlace } from "../../remotes/types.ts";
import { Descriptor, O_PATH } from "../../sys/beneath.ts";
import type { SystemChange } from "../change.ts";

function refuse(text: string): never {
  throw new DowelError("NOT_PERMITTED", text, {
    hint: "Give a folder of a disk or medium, or run it as root, or use --user.",
  });
}

function fieldOf(text: string, key: string): string {
  return new RegExp(`^${key}:\\s*(\\S+)`, "m").exec(text)?.[1] ?? "";
}

/** The type of the file system of a mount as proc(5) tells it; undefined for a mount that is not among this process's. */
function fileSystemOf(mount: string): string | undefined {
  const lines = readFileSync("/proc/self/mountinfo", "latin1").split("\n");
  return lines
    .find((line) => line.startsWith(`${mount} `))
    ?.split(" - ")[1]
    ?.split(" ")[0];
}

/**
 * Throws `NOT_PERMITTED` for a descriptor that is no folder, that its owner could not list itself, or whose files a
 * process of a user answers for: that one could keep the service waiting for ever.
 */
function checkFolder(fd: number): void {
  // The kernel tells these without asking the file system, which must be known before anything is asked of it.
  const text = readFileSync(`/proc/self/fdinfo/${fd}`, "latin1");
  const type = fileSystemOf(fieldOf(text, "mnt_id"));
  if (type === undefined) refuse("A folder of media must be in a place that the system service sees, too");
  if (type.startsWith("fuse")) refuse(`A folder of media must not be of a ${type} file system`);
  const mode = Number.parseInt(fieldOf(text, "flags"), 8) & (O_PATH | 3);
  if (mode !== 0) refuse("A folder of media must be open for reading");
  if (!fstatSync(fd).isDirectory()) refuse("Only open folders are taken as media");
}

/**
 * The layouts in folders that a caller handed over with a change; they stay open as long as the call lasts. What is read
 * there counts only by its digest. Throws `NOT_PERMITTED`, `LIMIT_EXCEEDED`, and `USAGE` for a change that takes none.
 */
export function mediaPlaces(descriptors: readonly number[], change: SystemChange): readonly ImagePlace[] {
  if (descriptors.length > 0 && change.kind !== "transaction") {
    throw new DowelError("USAGE", `A change of the kind ${change.kind} takes no media`);
  }
  if (descriptors.length > limits.changeMedia) {
    throw new DowelError("LIMIT_EXCEEDED", `${descriptors.length} folders of media; at most ${limits.changeMedia}`);
  }
  return descriptors.map((fd) => {
    checkFolder(fd);
    return { kind: "held", folder: new Descriptor(fd), name: `oci:${readlinkSync(`/proc/self/fd/${fd}`)}` };
  });
}
