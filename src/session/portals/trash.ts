// SPDX-License-Identifier: Apache-2.0
import {
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  type Stats,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { errnoOf } from "../../base/errors.ts";
import { BusCallError } from "../../dbus/errors.ts";
import type { InterfaceShape } from "../../dbus/interface.ts";
import { Descriptor, O_PATH } from "../../sys/beneath.ts";
import { callerFile } from "../documents/callerfile.ts";
import { portalErrors } from "./errors.ts";
import { definePortal, desktopPortal } from "./portal.ts";
import type { BackendServices } from "./served.ts";

const shape = {
  name: "org.freedesktop.portal.Trash",
  methods: { TrashFile: { in: "h fd", out: "u result" } },
  properties: { version: "u" },
} as const satisfies InterfaceShape;

const failed = 0;
const succeeded = 1;

function isSame(one: Stats, other: Stats): boolean {
  return one.dev === other.dev && one.ino === other.ino;
}

/** The highest folder above a path that is on the same file system. */
function topOf(path: string): string {
  const { dev } = lstatSync(path);
  let top = dirname(path);
  while (top !== "/" && lstatSync(dirname(top)).dev === dev) top = dirname(top);
  return top;
}

interface Trash {
  readonly folder: string;
  /** What paths in it are relative to; undefined: they are absolute. */
  readonly top: string | undefined;
}

/** The trash for a path: the user's own on the same file system, else `.Trash-UID` at its top (Trash Specification 1.0). */
function trashFor(path: string, data: string, uid: number): Trash {
  const home = join(data, "Trash");
  mkdirSync(home, { recursive: true, mode: 0o700 });
  if (lstatSync(home).dev === lstatSync(path).dev) return { folder: home, top: undefined };
  const top = topOf(path);
  const folder = join(top, `.Trash-${uid}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const found = lstatSync(folder);
  if (found.isDirectory() && found.uid === uid) return { folder, top };
  throw new BusCallError(portalErrors.failed, "The file system has no trash of this user's");
}

/** `2026-01-31T12:00:00`, the time here. */
function localTime(now: Date): string {
  return new Date(now.getTime() - now.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

/** Takes a name that is free in a trash by making its note there. */
function takeName({ folder, top }: Trash, path: string, now: Date): string {
  for (const part of ["info", "files"]) mkdirSync(join(folder, part), { recursive: true, mode: 0o700 });
  const written = (top === undefined ? path : relative(top, path)).split("/").map(encodeURIComponent).join("/");
  const note = `[Trash Info]\nPath=${written}\nDeletionDate=${localTime(now)}\n`;
  for (let number = 1; ; number++) {
    const name = number === 1 ? basename(path) : `${basename(path).slice(0, 200)}.${number}`;
    try {
      writeFileSync(join(folder, "info", `${name}.trashinfo`), note, { flag: "wx", mode: 0o600 });
      return name;
    } catch (error) {
      if (errnoOf(error) !== "EEXIST") throw error;
    }
  }
}

/**
 * Moves the file that a descriptor holds from its path on the host. Folders on the way could be made links at any time, so its folder is
 * opened without following any, and what was moved is looked at once more.
 */
function moveToTrash(path: string, fd: number, data: string): void {
  const held = fstatSync(fd);
  const trash = trashFor(path, data, process.getuid?.() ?? 0);
  using root = new Descriptor(openSync("/", O_PATH | constants.O_DIRECTORY));
  using parent = Descriptor.beneath(root, dirname(path).slice(1) || ".", O_PATH | constants.O_DIRECTORY);
  const from = `${parent.path}/${basename(path)}`;
  if (!isSame(lstatSync(from), held)) throw new BusCallError(portalErrors.failed, "The file has moved");
  const name = takeName(trash, path, new Date());
  const to = join(trash.folder, "files", name);
  try {
    renameSync(from, to);
    if (isSame(lstatSync(to), held)) return;
    renameSync(to, from);
    throw new BusCallError(portalErrors.failed, "The file has moved");
  } catch (error) {
    rmSync(join(trash.folder, "info", `${name}.trashinfo`), { force: true });
    throw error;
  }
}

/** Puts files into the trash that an app can write to. */
export function trashPortal(services: BackendServices) {
  const { environment } = services;
  const data = environment["XDG_DATA_HOME"] || `${environment["HOME"] ?? ""}/.local/share`;
  return definePortal(shape, desktopPortal, () => ({
    methods: {
      TrashFile({ app }, fd) {
        const { path, writable } = callerFile(app.child(), fd);
        if (!writable) {
          throw new BusCallError(portalErrors.notAllowed, "A file can be put into the trash by who can write to it");
        }
        try {
          moveToTrash(path, fd, data);
          return [succeeded];
        } catch (error) {
          services.failed(error);
          return [failed];
        }
      },
    },
    properties: { version: () => 1 },
  }));
}
