// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import {
  type BigIntStats,
  chmodSync,
  constants,
  copyFileSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { DowelError } from "../../base/errors.ts";
import { temporaryName } from "../../sys/durability.ts";
import type { StateFolder } from "../state.ts";

/** One path of a stage: what it is, by content. `S` folder, file, other name of a file, link. */
export type StageEntry =
  | { readonly kind: "directory" }
  | { readonly kind: "file"; readonly executable: boolean; readonly size: number; readonly digest: string }
  | { readonly kind: "hardlink"; readonly to: string }
  | { readonly kind: "symlink"; readonly target: string };

/** The files that a stage left behind, by path. */
export type StageTree = ReadonlyMap<string, StageEntry>;

interface Seen {
  readonly stamp: string;
  readonly digest: string;
}

/**
 * The contents of stages, by sha256. A stage is stored as a list of paths; only files that are new to the store are
 * copied into it, and only files that changed since the last look are read.
 */
export class StageObjects {
  readonly #folder: string;
  readonly #seen = new Map<string, Seen>();

  constructor(state: StateFolder) {
    this.#folder = state.folder("cache", "objects");
  }

  path(digest: string): string {
    return join(this.#folder, digest.slice(0, 2), digest.slice(2));
  }

  /** Looks at a folder and stores what is in it. Devices, sockets and pipes are left out. */
  store(root: string): StageTree {
    const result = new Map<string, StageEntry>();
    const inodes = new Map<bigint, string>();
    const visit = (folder: string, prefix: string): void => {
      for (const name of readdirSync(folder).sort()) {
        if (name.includes("\ufffd")) throw new DowelError("BUILD_FAILED", `${prefix}${name}: file names must be UTF-8`);
        const path = join(folder, name);
        const stat = lstatSync(path, { bigint: true });
        const key = `${prefix}${name}`;
        if (stat.isDirectory()) {
          result.set(key, { kind: "directory" });
          visit(path, `${key}/`);
        } else if (stat.isSymbolicLink()) {
          result.set(key, { kind: "symlink", target: readlinkSync(path) });
        } else if (stat.isFile()) {
          const first = stat.nlink > 1n ? inodes.get(stat.ino) : undefined;
          if (first !== undefined) {
            result.set(key, { kind: "hardlink", to: first });
          } else {
            inodes.set(stat.ino, key);
            result.set(key, this.#storeFile(path, stat));
          }
        }
      }
    };
    visit(root, "");
    return result;
  }

  #storeFile(path: string, stat: BigIntStats): StageEntry {
    const stamp = `${stat.ino} ${stat.size} ${stat.mtimeNs} ${stat.ctimeNs}`;
    const executable = (stat.mode & 0o111n) !== 0n;
    const seen = this.#seen.get(path);
    if (seen?.stamp === stamp) return { kind: "file", executable, size: Number(stat.size), digest: seen.digest };
    const bytes = readFileSync(path);
    const digest = createHash("sha256").update(bytes).digest("hex");
    const object = this.path(digest);
    if (!existsSync(object)) {
      mkdirSync(dirname(object), { recursive: true });
      const temporary = temporaryName(object);
      copyFileSync(path, temporary, constants.COPYFILE_FICLONE);
      chmodSync(temporary, 0o444);
      renameSync(temporary, object);
    }
    this.#seen.set(path, { stamp, digest });
    return { kind: "file", executable, size: bytes.length, digest };
  }

  /** Makes the files of a stage in an empty folder, as copies that may be written to. */
  restore(tree: StageTree, root: string): void {
    for (const [key, entry] of tree) {
      const path = join(root, key);
      if (entry.kind === "directory") mkdirSync(path);
      else if (entry.kind === "symlink") symlinkSync(entry.target, path);
      else if (entry.kind === "hardlink") linkSync(join(root, entry.to), path);
      else {
        copyFileSync(this.path(entry.digest), path, constants.COPYFILE_FICLONE);
        chmodSync(path, entry.executable ? 0o755 : 0o644);
        const stat = lstatSync(path, { bigint: true });
        const stamp = `${stat.ino} ${stat.size} ${stat.mtimeNs} ${stat.ctimeNs}`;
        this.#seen.set(path, { stamp, digest: entry.digest });
      }
    }
  }

  /** Removes all contents but some, given by their digests. */
  removeAllBut(kept: ReadonlySet<string>): void {
    for (const start of readdirSync(this.#folder)) {
      for (const rest of readdirSync(join(this.#folder, start))) {
        if (!kept.has(start + rest)) rmSync(join(this.#folder, start, rest), { force: true });
      }
    }
  }

  /** Whether the contents of a stage are all there. */
  holds(tree: StageTree): boolean {
    return [...tree.values()].every((entry) => entry.kind !== "file" || existsSync(this.path(entry.digest)));
  }
}
