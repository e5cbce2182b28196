// SPDX-License-Identifier: Apache-2.0
import { chmodSync, constants, fstatSync, lstatSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DowelError, errnoOf, fileError } from "../base/errors.ts";
import { Descriptor } from "../sys/beneath.ts";

/** What all running instances of an app share, by its `dataName`: their `/tmp` and `/dev/shm`. */
export function appFolderOf(runFolder: string, name: string): string {
  return `${runFolder}/apps/${name}`;
}

/** `XDG_RUNTIME_DIR` where it belongs to the caller: a folder of another user could be exchanged by them. */
export function sessionFolder(uid: number): string | undefined {
  const folder = process.env["XDG_RUNTIME_DIR"];
  if (!folder?.startsWith("/")) return undefined;
  try {
    const status = lstatSync(folder);
    return status.isDirectory() && status.uid === uid ? folder : undefined;
  } catch {
    return undefined;
  }
}

/** Where the caller's folder for plans is, whether or not it has been made. */
export function runFolderPath(uid: number): string {
  const session = sessionFolder(uid);
  if (session !== undefined) return `${session}/dowel`;
  return uid === 0 ? "/run/dowel/user-0" : `/tmp/.dowel-${uid}`;
}

function makeFolder(path: string, mode: number): void {
  try {
    mkdirSync(path, { mode });
    chmodSync(path, mode);
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw fileError(error, "create", path);
  }
}

/**
 * The caller's folder for plans, configuration layers and linker caches, made where it is missing: `XDG_RUNTIME_DIR/dowel`, else
 * `/run/dowel/user-0` for root and `/tmp/.dowel-UID` for others. Throws `HOST_PATH_UNSAFE` where it is a link, belongs
 * to someone else or is open to others.
 */
export function runFolder(): string {
  const uid = process.geteuid?.() ?? 0;
  const path = runFolderPath(uid);
  if (path.startsWith("/run/dowel/")) makeFolder(dirname(path), 0o755);
  makeFolder(path, 0o700);
  using folder = openFolder(path);
  const status = fstatSync(folder.fd);
  if (status.uid !== uid || (status.mode & 0o077) !== 0) throw unsafe(path);
  for (const name of ["plans", "layers", "ld.so", "apps"]) makeFolder(`${path}/${name}`, 0o700);
  return path;
}

function unsafe(path: string, cause?: unknown): DowelError {
  return new DowelError("HOST_PATH_UNSAFE", `${path} must be a folder of the caller's own with mode 0700`, {
    hint: `Remove ${path} and run the same command again.`,
    cause,
  });
}

function openFolder(path: string): Descriptor {
  try {
    return Descriptor.open(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch (error) {
    throw errnoOf(error) === "ELOOP" || errnoOf(error) === "ENOTDIR"
      ? unsafe(path, error)
      : fileError(error, "open", path);
  }
}
