// SPDX-License-Identifier: Apache-2.0
import { type BigIntStats, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { checkCancelled, DowelError, fileError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { type ByteString, byteStringOfBytes } from "../../formats/composefs/bytestring.ts";
import {
  type Directory,
  type Inode,
  inlineThreshold,
  type Leaf,
  type Metadata,
  objectPath,
} from "../../formats/composefs/model.ts";
import { readXattrs } from "../../sys/xattrs.ts";
import { measureFile, storeFile } from "./objects.ts";

export interface CaptureOptions {
  /** Folder that gets a copy of each content which is not kept in the image; nothing is copied if not given. */
  readonly digestStore?: string | undefined;
  /** Give every file the time 0. */
  readonly useEpoch?: boolean | undefined;
  /** Leave out character and block devices. */
  readonly skipDevices?: boolean | undefined;
  readonly skipXattrs?: boolean | undefined;
  /** Keep only attributes in the namespace `user.`. */
  readonly userXattrs?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads a folder into the tree that `mkcomposefs` makes of it: every name is a file of its own, hard links or not.
 * Throws a DowelError that names the file that could not be read.
 */
export function captureFolder(path: string, options: CaptureOptions = {}): Directory {
  const capture = new Capture(options);
  const root = capture.inode(byteStringOfBytes(Buffer.from(path)), 0);
  if (root?.kind !== "directory") throw new DowelError("IO", `${path} must be a folder`);
  return root;
}

class Capture {
  readonly #options: CaptureOptions;

  constructor(options: CaptureOptions) {
    this.#options = options;
    if (options.digestStore !== undefined) mkdirSync(options.digestStore, { recursive: true });
  }

  inode(path: ByteString, depth: number): Inode | undefined {
    checkCancelled(this.#options.signal);
    const raw = Buffer.from(path, "latin1");
    try {
      const stat = lstatSync(raw, { bigint: true });
      const metadata = this.#metadata(raw, stat);
      return stat.isDirectory() ? this.#directory(path, metadata, depth) : this.#leaf(raw, stat, metadata);
    } catch (error) {
      throw fileError(error, "read", raw.toString());
    }
  }

  #directory(path: ByteString, metadata: Metadata, depth: number): Directory {
    if (depth > limits.pathDepth) {
      throw new DowelError("LIMIT_EXCEEDED", `${path}: folders may be at most ${limits.pathDepth} deep`);
    }
    const entries = new Map<ByteString, Inode>();
    for (const name of readdirSync(Buffer.from(path, "latin1"), { encoding: "buffer" })) {
      const text = byteStringOfBytes(name);
      const child = this.inode(`${path}/${text}`, depth + 1);
      if (child !== undefined) entries.set(text, child);
    }
    return { ...metadata, kind: "directory", entries };
  }

  #leaf(path: Buffer, stat: BigIntStats, metadata: Metadata): Leaf | undefined {
    if (stat.isFile()) return this.#file(path, Number(stat.size), metadata);
    if (stat.isSymbolicLink()) {
      const target = byteStringOfBytes(readlinkSync(path, { encoding: "buffer" }));
      return { ...metadata, kind: "symlink", nlink: 1, target };
    }
    if (stat.isFIFO()) return { ...metadata, kind: "fifo", nlink: 1 };
    if (stat.isSocket()) return { ...metadata, kind: "socket", nlink: 1 };
    if (this.#options.skipDevices === true) return undefined;
    const kind = stat.isBlockDevice() ? "block" : "character";
    return { ...metadata, kind, nlink: 1, rdev: Number(stat.rdev & 0xffff_ffffn) };
  }

  #file(path: Buffer, size: number, metadata: Metadata): Leaf {
    if (size <= inlineThreshold) {
      return { ...metadata, kind: "inline", nlink: 1, content: new Uint8Array(readFileSync(path)) };
    }
    const { digestStore } = this.#options;
    const measured = digestStore === undefined ? measureFile(path) : storeFile(path, digestStore);
    const { digest } = measured;
    return { ...metadata, kind: "external", nlink: 1, size: measured.size, digest, payload: objectPath(digest) };
  }

  #metadata(path: Buffer, stat: BigIntStats): Metadata {
    const nanoseconds = this.#options.useEpoch === true ? 0n : stat.mtimeNs;
    // rounded down, before 1970 too
    const mtimeNsec = Number(((nanoseconds % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n);
    return {
      mode: Number(stat.mode & 0o7777n),
      uid: Number(stat.uid),
      gid: Number(stat.gid),
      mtimeSec: Number((nanoseconds - BigInt(mtimeNsec)) / 1_000_000_000n),
      mtimeNsec,
      xattrs: this.#xattrs(path),
    };
  }

  #xattrs(path: Buffer): Map<ByteString, ByteString> {
    const xattrs = new Map<ByteString, ByteString>();
    if (this.#options.skipXattrs === true) return xattrs;
    for (const [name, value] of readXattrs(path)) {
      if (this.#options.userXattrs === true && !name.startsWith("user.")) continue;
      xattrs.set(name, byteStringOfBytes(value));
    }
    return xattrs;
  }
}
