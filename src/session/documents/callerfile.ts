// SPDX-License-Identifier: Apache-2.0
import { accessSync, closeSync, constants, fstatSync, openSync, readFileSync, readlinkSync, type Stats } from "node:fs";
import { join } from "node:path";
import { BusCallError } from "../../dbus/errors.ts";
import { documentShelf } from "../../metadata/documents.ts";
import { libraryShelf } from "../../metadata/library.ts";
import { O_PATH, openBeneath } from "../../sys/beneath.ts";
import { isWithin, type Mount, readMounts } from "../../sys/mountinfo.ts";
import { portalErrors } from "../portals/errors.ts";
import { invalidArgument } from "../portals/texts.ts";

/** A file or folder that an app has shown to hold. */
export interface CallerFile {
  /** On the host, without links. */
  readonly path: string;
  readonly isFolder: boolean;
  /** Whether the app itself can write to it. */
  readonly writable: boolean;
  /** The document by which the app has it, and whether it is that one itself rather than something in it. */
  readonly document: { readonly id: string; readonly isItself: boolean } | undefined;
  /** The app has it by a folder that its user picked, and can take away again. */
  readonly isLent: boolean;
}

/** More places of one file system than this are not looked through for a file. */
const mostPlaces = 256;
const accessMode = 0o3;

/**
 * How a descriptor was opened, and its mount in an app's sandbox, which it has where the app itself can see what it shows
 * (proc(5), fdinfo).
 *
 * @param child a process of the app's sandbox
 */
export function callerDescriptor(child: number, fd: number): { readonly flags: number; readonly mount?: Mount } {
  const text = readFileSync(`/proc/self/fdinfo/${fd}`, "latin1");
  const field = (key: string): string => new RegExp(`^${key}:\\s*(\\S+)`, "m").exec(text)?.[1] ?? "";
  const id = field("mnt_id");
  const mount = readMounts(child).find((one) => one.id === id);
  return { flags: Number.parseInt(field("flags"), 8), ...(mount === undefined ? {} : { mount }) };
}

/** What the permission bits give a process of this user without any capability, as an app of root's is one. */
function bitsAllow({ mode, uid, gid }: Stats, wanted: number): boolean {
  const user = process.getuid?.() ?? 0;
  const groups = [process.getgid?.() ?? 0, ...(process.getgroups?.() ?? [])];
  const shift = uid === user ? 6 : groups.includes(gid) ? 3 : 0;
  return ((mode >> shift) & wanted) === wanted;
}

/** Whether the app could open what a descriptor of O_PATH names, which is no proof of that by itself. */
function couldOpen(fd: number, status: Stats, wanted: number): boolean {
  if (process.getuid?.() === 0) return bitsAllow(status, wanted);
  try {
    accessSync(`/proc/self/fd/${fd}`, wanted);
    return true;
  } catch {
    return false;
  }
}

/** The path that a descriptor has within its file system. */
function innerPath(fd: number, mount: Mount): string {
  const link = readlinkSync(`/proc/self/fd/${fd}`);
  if (!isWithin(link, mount.target)) throw noHostPath();
  return join(mount.root, link.slice(mount.target === "/" ? 0 : mount.target.length));
}

function noHostPath(): BusCallError {
  return new BusCallError(portalErrors.notAllowed, "The file has no path outside of the sandbox");
}

function isThere(path: string, wanted: { readonly dev: bigint; readonly ino: bigint }): boolean {
  try {
    const root = openSync("/", O_PATH | constants.O_DIRECTORY);
    try {
      const fd = openBeneath(root, path.slice(1) || ".", O_PATH);
      try {
        const found = fstatSync(fd, { bigint: true });
        return found.dev === wanted.dev && found.ino === wanted.ino;
      } finally {
        closeSync(fd);
      }
    } finally {
      closeSync(root);
    }
  } catch {
    return false;
  }
}

/** Where the same file lies outside: the same file system shows it, perhaps in another place. */
function hostPath(fd: number, mount: Mount): string {
  const inner = innerPath(fd, mount);
  const wanted = fstatSync(fd, { bigint: true });
  const places = readMounts().filter(({ device, root }) => device === mount.device && isWithin(inner, root));
  // The one that shows the most is the one that people know.
  const ordered = places.sort((left, right) => left.root.length - right.root.length).slice(0, mostPlaces);
  for (const { root, target } of ordered) {
    const path = join(target, inner.slice(root === "/" ? 0 : root.length));
    if (isThere(path, wanted)) return path === "/" ? path : path.replace(/\/$/, "");
  }
  throw noHostPath();
}

function documentOfMount({ target }: Mount, link: string): CallerFile["document"] {
  if (!target.startsWith(`${documentShelf}/`)) return undefined;
  const [id = ""] = target.slice(documentShelf.length + 1).split("/");
  return { id, isItself: link === target };
}

/**
 * What an app's descriptor holds, by identity: the descriptor must be of a mount in the app's own sandbox, so it shows what
 * the app itself can see, and the path that counts is one of the host where the very same file lies. Throws
 * `InvalidArgument`, or `NotAllowed` where the file is not the app's to give.
 *
 * @param child a process of the app's sandbox
 */
export function callerFile(child: number, fd: number): CallerFile {
  const status = fstatSync(fd);
  const isFolder = status.isDirectory();
  if (!isFolder && !status.isFile()) throw invalidArgument("A descriptor must hold a file or a folder");
  const { flags, mount } = callerDescriptor(child, fd);
  if (mount === undefined) {
    throw new BusCallError(portalErrors.notAllowed, "A descriptor must be of the caller's own sandbox");
  }
  const isPath = (flags & O_PATH) !== 0;
  const readable = isPath
    ? couldOpen(fd, status, isFolder ? constants.R_OK | constants.X_OK : constants.R_OK)
    : (flags & accessMode) !== constants.O_WRONLY;
  if (!readable) throw new BusCallError(portalErrors.notAllowed, "The caller cannot read the file itself");
  return {
    path: hostPath(fd, mount),
    isFolder,
    writable: mount.writable && couldOpen(fd, status, constants.W_OK),
    document: documentOfMount(mount, readlinkSync(`/proc/self/fd/${fd}`)),
    isLent: isWithin(mount.target, libraryShelf),
  };
}
