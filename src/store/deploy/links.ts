// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, readlinkSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { dirname } from "node:path";
import { errnoOf, fileError } from "../../base/errors.ts";
import { syncFolder, temporaryName } from "../../sys/durability.ts";

/** Makes `path` a symbolic link to `target`, at once for everybody who looks, and durable. */
export function swapLink(target: string, path: string): void {
  if (readLink(path) === target) return;
  const temporary = temporaryName(path);
  try {
    mkdirSync(dirname(path), { recursive: true });
    symlinkSync(target, temporary);
    renameSync(temporary, path);
    syncFolder(dirname(path));
  } catch (error) {
    rmSync(temporary, { force: true });
    throw fileError(error, "link", path);
  }
}

/** The target of a symbolic link; undefined where there is none. */
export function readLink(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch (error) {
    if (["ENOENT", "EINVAL", "ENOTDIR"].includes(errnoOf(error) ?? "")) return undefined;
    throw fileError(error, "read", path);
  }
}
