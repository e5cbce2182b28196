// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { splitRelativePath } from "../../base/paths.ts";
import type { TarEntry } from "./entry.ts";

interface SafePaths {
  /** The names of the path from the root of the archive; empty for the root itself. */
  readonly names: readonly string[];
  /** The same for the target of a hard link, else undefined. */
  readonly linkNames: readonly string[] | undefined;
}

/**
 * Says where an entry of an image layer goes, or throws TAR_UNSAFE naming the entry. Paths and the targets of hard
 * links must stay below the root by their names alone: no `..`, not absolute. Devices and FIFOs are refused; OCI
 * whiteouts are plain files (`.wh.NAME`) and pass. Targets of symlinks are data and may be anything, because nothing
 * that unpacks follows them.
 */
export function checkEntry(entry: TarEntry): SafePaths {
  const names = splitRelativePath(entry.path);
  if (names === undefined) throw unsafe(entry, "the path must be relative, without .., and within the limits of Linux");
  if (names.length === 0 && entry.type !== "directory") throw unsafe(entry, "only a directory can be the root");
  switch (entry.type) {
    case "character":
    case "block":
    case "fifo":
      throw unsafe(entry, `an image must not hold a ${entry.type === "fifo" ? "FIFO" : `${entry.type} device`}`);
    case "symlink":
      checkSymlink(entry);
      return { names, linkNames: undefined };
    case "hardlink":
      return { names, linkNames: hardlinkNames(entry) };
    default:
      return { names, linkNames: undefined };
  }
}

function checkSymlink(entry: TarEntry): void {
  if (entry.linkName === "" || entry.linkName.includes("\0")) throw unsafe(entry, "a symlink must have a target");
  if (Buffer.byteLength(entry.linkName) > limits.symlinkTargetBytes) throw unsafe(entry, "the target is too long");
}

function hardlinkNames(entry: TarEntry): readonly string[] {
  const names = splitRelativePath(entry.linkName);
  if (names === undefined || names.length === 0) {
    throw unsafe(entry, `the hard link target "${entry.linkName}" must be a path inside the archive, without ..`);
  }
  return names;
}

function unsafe(entry: TarEntry, text: string): DowelError {
  return new DowelError("TAR_UNSAFE", `tar entry "${entry.path}": ${text}`);
}
