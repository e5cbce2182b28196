// SPDX-License-Identifier: Apache-2.0
import { fstatSync, readlinkSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { DowelError, errnoOf } from "../../base/errors.ts";
import type { HostBind, Replacement, RunOptions } from "../../sandbox/spec/types.ts";

/** Folders of the caller's that a start is given by path or by the number of an open descriptor. */
export interface TreeRequest {
  /** In place of `/app`; empty text: an empty folder. */
  readonly appPath?: string | undefined;
  readonly appFd?: string | undefined;
  /** In place of `/usr`. */
  readonly usrPath?: string | undefined;
  readonly usrFd?: string | undefined;
  /** Shown at their own places. */
  readonly bindFds?: readonly string[] | undefined;
  readonly roBindFds?: readonly string[] | undefined;
}

/** The number of an open descriptor. Throws `USAGE`. */
export function descriptorNumber(text: string, option: string): number {
  if (/^[0-9]{1,6}$/.test(text)) return Number(text);
  throw new DowelError("USAGE", `${option}=${text}: expected the number of an open descriptor`);
}

/**
 * Where lies what a descriptor holds. The kernel's name for it has no links; the launcher follows none on the way
 * either, so it mounts this or fails. Throws `USAGE` or `HOST_PATH_UNSAFE`.
 */
function locateDescriptor(text: string, option: string): { path: string; type: "directory" | "file" } {
  const fd = descriptorNumber(text, option);
  try {
    const held = fstatSync(fd, { bigint: true });
    const path = readlinkSync(`/proc/self/fd/${fd}`);
    const there = path.startsWith("/") ? statSync(path, { bigint: true, throwIfNoEntry: false }) : undefined;
    if (there?.dev === held.dev && there.ino === held.ino) {
      return { path, type: held.isDirectory() ? "directory" : "file" };
    }
  } catch (cause) {
    if (errnoOf(cause) === undefined) throw cause;
    throw new DowelError("USAGE", `${option}=${text}: there is no such open descriptor`, { cause });
  }
  throw new DowelError("HOST_PATH_UNSAFE", `${option}=${text}: what the descriptor holds has no path here any more`);
}

function replacement(path: string | undefined, fd: string | undefined, name: "app" | "usr"): Replacement | undefined {
  if (path !== undefined && fd !== undefined) {
    throw new DowelError("USAGE", `--${name}-path and --${name}-fd exclude each other`);
  }
  if (fd !== undefined) {
    const found = locateDescriptor(fd, `--${name}-fd`);
    if (found.type === "directory") return { path: found.path, distrusted: true };
    throw new DowelError("USAGE", `--${name}-fd=${fd}: ${found.path} is not a folder`);
  }
  if (path === undefined) return undefined;
  if (path === "" && name === "app") return { path: undefined, distrusted: false };
  const absolute = resolve(path);
  if (path !== "" && statSync(absolute, { throwIfNoEntry: false })?.isDirectory() === true) {
    return { path: absolute, distrusted: false };
  }
  throw new DowelError("USAGE", `--${name}-path=${path}: expected a folder`);
}

/** What a request gives in place of the images, and besides. Throws `USAGE` or `HOST_PATH_UNSAFE`. */
export function findTrees(request: TreeRequest): Pick<RunOptions, "app" | "usr" | "binds"> {
  const bind = (option: string, access: "ro" | "rw") => (fd: string) => ({ ...locateDescriptor(fd, option), access });
  const binds: HostBind[] = [
    ...(request.bindFds ?? []).map(bind("--bind-fd", "rw")),
    ...(request.roBindFds ?? []).map(bind("--ro-bind-fd", "ro")),
  ];
  return {
    app: replacement(request.appPath, request.appFd, "app"),
    usr: replacement(request.usrPath, request.usrFd, "usr"),
    binds,
  };
}
