// SPDX-License-Identifier: Apache-2.0
import { type BigIntStats, constants, lstatSync, readdirSync, readFileSync, readlinkSync, realpathSync } from "node:fs";
import { homedir, hostname } from "node:os";
import { dirname, resolve } from "node:path";
import { compareBytes, decodeUtf8 } from "../../base/text.ts";
import { mediumOf } from "../../sys/medium.ts";
import type { Observation } from "../plan/types.ts";
import type { Host, HostNode, HostNodeType, Identity } from "./host.ts";

const readLimit = 1024 * 1024;

const nodeTypes: ReadonlyMap<number, HostNodeType> = new Map([
  [constants.S_IFDIR, "directory"],
  [constants.S_IFREG, "file"],
  [constants.S_IFLNK, "symlink"],
  [constants.S_IFSOCK, "socket"],
  [constants.S_IFIFO, "fifo"],
  [constants.S_IFCHR, "device"],
  [constants.S_IFBLK, "device"],
]);

function statusOf(path: string): BigIntStats | undefined {
  try {
    return lstatSync(path, { bigint: true, throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

/** Asks the machine that it runs on, and notes what it was asked and what it found, the strictest form for each path. */
export class RecordingHost implements Host {
  readonly identity: Identity;
  readonly #paths = new Map<string, Observation>();
  readonly #variables = new Map<string, string | undefined>();
  readonly #images: string[] = [];

  constructor() {
    this.identity = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0, hostname: hostname() };
  }

  /** Everything noted so far, variables first. */
  get record(): readonly Observation[] {
    const variables = [...this.#variables].map(([name, value]): Observation => ({ kind: "variable", name, value }));
    return [...variables, ...this.#paths.values()];
  }

  /** Says that a folder is an image: it is noted itself unless told otherwise, and nothing below it, since that never changes. */
  trustImage(folder: string, { noted = true } = {}): void {
    if (noted) this.#observe(folder, false);
    this.#images.push(`${folder}/`);
  }

  /** Notes a file that is read elsewhere, with its size and times, and what a link leads to as well. */
  observe(path: string): void {
    if (this.#observe(path, true)?.isSymbolicLink() !== true) return;
    const next = resolve(dirname(path), readlinkSync(path));
    try {
      this.#observe(realpathSync(path), true);
    } catch {
      this.#observe(next, true);
    }
  }

  variable(name: string): string | undefined {
    const value = process.env[name];
    this.#variables.set(name, value);
    return value;
  }

  lookAt(path: string): HostNode | undefined {
    const status = this.#observe(path, false);
    if (status === undefined) return undefined;
    const type = nodeTypes.get(Number(status.mode) & constants.S_IFMT) ?? "file";
    return type === "symlink" ? { type, target: readlinkSync(path) } : { type };
  }

  list(path: string): readonly string[] {
    if (this.#observe(path, true) === undefined) return [];
    try {
      return readdirSync(path).sort(compareBytes);
    } catch {
      return [];
    }
  }

  read(path: string): string | undefined {
    const bytes = this.readBytes(path);
    return bytes === undefined ? undefined : decodeUtf8(bytes);
  }

  readBytes(path: string): Uint8Array | undefined {
    if (this.#observe(path, true) === undefined) return undefined;
    try {
      const real = realpathSync(path);
      const status = this.#observe(real, true);
      return status?.isFile() && status.size <= readLimit ? readFileSync(real) : undefined;
    } catch {
      return undefined;
    }
  }

  medium(path: string): string | undefined {
    const found = mediumOf(path, realpathSync(process.env["HOME"] ?? homedir()));
    this.#observe(path, false);
    if (found === undefined) return undefined;
    // The number of a device means the same one as long as udev's link to it stays; without that, nothing noted would say so.
    if (found.link === undefined || found.device === undefined) this.#paths.set("/", { kind: "absent", path: "/" });
    else this.#observe(found.link, true);
    return found.identity;
  }

  /** Notes the state of a path; `exactly` with its size and times, else a link with them and other things by inode. */
  #observe(path: string, exactly: boolean): BigIntStats | undefined {
    const status = statusOf(path);
    if (this.#images.some((folder) => path.startsWith(folder))) return status;
    if (status === undefined) {
      this.#paths.set(path, { kind: "absent", path });
      return undefined;
    }
    const known = this.#paths.get(path)?.kind === "present";
    const common = { path, type: Number(status.mode) & constants.S_IFMT, device: status.dev, inode: status.ino };
    if (exactly || known || status.isSymbolicLink()) {
      const { size, mtimeNs: mtime, ctimeNs: ctime } = status;
      this.#paths.set(path, { kind: "present", ...common, size, mtime, ctime });
    } else this.#paths.set(path, { kind: "inode", ...common });
    return status;
  }
}
