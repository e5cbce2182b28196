// SPDX-License-Identifier: Apache-2.0
import { accessSync, closeSync, constants, fstatSync, readFileSync, readlinkSync, type Stats } from "node:fs";
import { basename, dirname, join } from "node:path";
import { BusCallError } from "../../dbus/errors.ts";
import { documentShelf } from "../../metadata/documents.ts";
import { libraryShelf } from "../../metadata/library.ts";
import { Descriptor, O_PATH, openBeneath } from "../../sys/beneath.ts";
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

/** What proc(5) says of a descriptor in its fdinfo. */
function descriptorField(fd: number, key: string): string {
  const text = readFileSync(`/proc/self/fdinfo/${fd}`, "latin1");
  return new RegExp(`^${key}:\\s*(\\S+)`, "m").exec(text)?.[1] ?? "";
}

function descriptorFlags(fd: number): number {
  return Number.parseInt(descriptorField(fd, "flags"), 8);
}

/** Whether a descriptor lets its holder read and no more; one of O_PATH says nothing of that, nor one that is not open. */
export function isForReading(fd: number): boolean {
  try {
    const flags = descriptorFlags(fd);
    return (flags & O_PATH) === 0 && (flags & accessMode) === constants.O_RDONLY;
  } catch {
    return false;
  }
}

/**
 * How a descriptor was opened, and its mount in an app's sandbox, which it has where the app itself can see what it shows
 * (proc(5), fdinfo).
 *
 * @param child a process of the app's sandbox
 */
export function callerDescriptor(child: number, fd: number): { readonly flags: number; readonly mount?: Mount } {
  const id = descriptorField(fd, "mnt_id");
  const mount = readMounts(child).find((one) => one.id === id);
  return { flags: descriptorFlags(fd), ...(mount === undefined ? {} : { mount }) };
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

/** The file at a path of the host, where it is this one; no link leads there. */
function openSame(path: string, wanted: { readonly dev: bigint; readonly ino: bigint }): number | undefined {
  try {
    using root = Descriptor.open("/", O_PATH | constants.O_DIRECTORY);
    const fd = openBeneath(root.fd, path.slice(1) || ".", O_PATH);
    const found = fstatSync(fd, { bigint: true });
    if (found.dev === wanted.dev && found.ino === wanted.ino) return fd;
    closeSync(fd);
  } catch {
    // Not there, or not to be reached without links.
  }
  return undefined;
}

/** Where the same file lies outside, and itself there: the same file system shows it, perhaps in another place. */
function onHost(fd: number, mount: Mount): { readonly path: string; readonly fd: number } {
  const inner = innerPath(fd, mount);
  const wanted = fstatSync(fd, { bigint: true });
  const places = readMounts().filter(({ device, root }) => device === mount.device && isWithin(inner, root));
  // The one that shows the most is the one that people know.
  const ordered = places.sort((left, right) => left.root.length - right.root.length).slice(0, mostPlaces);
  for (const { root, target } of ordered) {
    const path = join(target, inner.slice(root === "/" ? 0 : root.length));
    const found = openSame(path, wanted);
    if (found !== undefined) return { path: path === "/" ? path : path.replace(/\/$/, ""), fd: found };
  }
  throw noHostPath();
}

function documentOfMount({ target }: Mount, link: string): CallerFile["document"] {
  if (!target.startsWith(`${documentShelf}/`)) return undefined;
  const [id = ""] = target.slice(documentShelf.length + 1).split("/");
  return { id, isItself: link === target };
}

/** A file that an app has shown to hold, open by O_PATH: it stays that file, whatever comes to lie at its path. */
export interface OpenCallerFile extends CallerFile, Disposable {
  readonly fd: number;
}

/**
 * What an app's descriptor holds, by identity: the descriptor must be of a mount in the app's own sandbox, so it shows what
 * the app itself can see, and the path that counts is one of the host where the very same file lies. Throws
 * `InvalidArgument`, or `NotAllowed` where the file is not the app's to give.
 *
 * @param child a process of the app's sandbox
 */
export function openCallerFile(child: number, fd: number): OpenCallerFile {
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
  const writable = mount.writable && couldOpen(fd, status, constants.W_OK);
  const document = documentOfMount(mount, readlinkSync(`/proc/self/fd/${fd}`));
  const found = onHost(fd, mount);
  return {
    ...{ ...found, isFolder, writable, document },
    isLent: isWithin(mount.target, libraryShelf),
    [Symbol.dispose]: () => closeSync(found.fd),
  };
}

/** The same where only what it is matters, and what is done with it is checked again then. */
export function callerFile(child: number, fd: number): CallerFile {
  using file = openCallerFile(child, fd);
  const { path, isFolder, writable, document, isLent } = file;
  return { path, isFolder, writable, document, isLent };
}

/** The folder that a file lies in, which has it under its name. Throws `NotAllowed` where it was moved meanwhile. */
export function openFolderOf({ path, fd }: OpenCallerFile): Descriptor {
  using root = Descriptor.open("/", O_PATH | constants.O_DIRECTORY);
  const folder = Descriptor.beneath(root, dirname(path).slice(1) || ".", O_PATH | constants.O_DIRECTORY);
  try {
    using found = Descriptor.beneath(folder, basename(path) || ".", O_PATH);
    const [wanted, there] = [fd, found.fd].map((one) => fstatSync(one, { bigint: true }));
    if (wanted?.dev === there?.dev && wanted?.ino === there?.ino) return folder;
  } catch {
    // It is gone, or a link is there.
  }
  folder[Symbol.dispose]();
  throw noHostPath();
}
