// SPDX-License-Identifier: Apache-2.0
import {
  closeSync,
  constants,
  fchmodSync,
  futimesSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { errnoOf, fileError } from "../../base/errors.ts";
import { inlineThreshold } from "../../formats/composefs/model.ts";
import { FsVerityHasher, fsVerityDigest } from "../../formats/fsverity/digest.ts";
import { startWriting, syncFileSystem } from "../../sys/durability.ts";
import { objectName, objectPath, objectSize } from "./paths.ts";

const newFile = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** From this size on the device starts to write a file while the next ones still come in. */
const writtenEarlyBytes = 64 * 1024;

/** What became of a content: its fs-verity digest (hex), and the name in the folder of the file that was written for it. */
export interface StagedContent {
  readonly digest: string;
  /** `ab/cdef…` where the objects have no folder `ab` yet, which may then come to them as a whole; else `abcdef…`. */
  readonly newFile: string | undefined;
}

/** Where a stager works; can be sent to another thread. */
export interface StagerPlaces {
  /** Where contents are written. */
  readonly staged: string;
  /** Where objects are, in the same file system. */
  readonly objects: string;
  /** No other stager of the same folder has it. */
  readonly name: string;
  /** What new files lose of their mode. Asked for once: asking changes it for a moment, for all threads. */
  readonly umask: number;
}

interface OpenContent {
  readonly path: string;
  readonly fd: number;
  readonly hasher: FsVerityHasher;
  readonly executable: boolean;
  size: number;
}

/**
 * Writes contents to a folder under the names that they will have as objects, unless they are there or in the store
 * already. Nothing is made durable. Knows nothing but its places, so that it can work in a thread of its own.
 */
export class Stager implements Disposable {
  readonly #staged: string;
  readonly #objects: string;
  readonly #name: string;
  readonly #umask: number;
  /** Which folders of objects there were when they were first asked for; only what is there is looked into. */
  readonly #known = new Map<string, boolean>();
  readonly #sizeOf: (digest: string) => number | undefined;
  /** The names in the folder of what was staged since the last that became objects, by the digest. */
  readonly #written = new Map<string, string>();
  #open: OpenContent | undefined;
  #counter = 0;

  /** `sizeOf`: a quicker way to look for an object. */
  constructor({ staged, objects, name, umask }: StagerPlaces, sizeOf?: (digest: string) => number | undefined) {
    this.#staged = staged;
    this.#objects = objects;
    this.#name = name;
    this.#umask = umask;
    this.#sizeOf = sizeOf ?? ((digest) => objectSize({ objects }, digest));
  }

  /** Takes content that is in memory as a whole, with its digest where that is known. Throws `NO_SPACE`, `NOT_PERMITTED` or `IO`. */
  add(bytes: Uint8Array, executable: boolean, digest: string = objectDigest(bytes)): StagedContent {
    if (bytes.length <= inlineThreshold || this.#isStored(digest, bytes.length)) return { digest, newFile: undefined };
    const name = this.#nameOf(digest);
    const path = `${this.#staged}/${name}`;
    try {
      const isNew = writeNewObject(path, bytes, executable, this.#umask);
      if (isNew) this.#written.set(digest, name);
      return { digest, newFile: isNew ? name : undefined };
    } catch (error) {
      throw fileError(error, "write", path);
    }
  }

  /** Takes the next part of a content that is too large for memory. Throws as `add`. */
  addPart(bytes: Uint8Array, executable: boolean): void {
    const path = this.#open?.path ?? `${this.#staged}/part-${this.#name}-${++this.#counter}`;
    try {
      this.#open ??= { path, fd: openNew(path, executable), hasher: new FsVerityHasher(), executable, size: 0 };
      writeAll(this.#open.fd, bytes);
    } catch (error) {
      throw fileError(error, "write", path);
    }
    this.#open.hasher.update(bytes);
    this.#open.size += bytes.length;
  }

  /** Ends the content whose parts were added. Throws as `add`. */
  finishParts(): StagedContent {
    const open = this.#open;
    if (open === undefined) throw new Error("There are no parts");
    this.#open = undefined;
    const digest = Buffer.from(open.hasher.digest()).toString("hex");
    try {
      finish(open.fd, open.executable, this.#umask);
      if (open.size >= writtenEarlyBytes) startWriting(open.fd);
    } finally {
      closeSync(open.fd);
    }
    const name = this.#nameOf(digest);
    const path = `${this.#staged}/${name}`;
    try {
      const isThere = this.#isStored(digest, open.size) || statSync(path, { throwIfNoEntry: false }) !== undefined;
      if (isThere) rmSync(open.path);
      else {
        inFolder(path, () => renameSync(open.path, path));
        this.#written.set(digest, name);
      }
      return { digest, newFile: isThere ? undefined : name };
    } catch (error) {
      throw fileError(error, "write", path);
    }
  }

  /** Makes what was staged durable, and all else that was written to this file system. */
  sync(): void {
    try {
      syncFileSystem(this.#staged);
    } catch (error) {
      throw fileError(error, "store objects in", this.#objects);
    }
  }

  /** Gives objects their names, which must be durable: all that was staged here. Answers their digests. */
  nameObjects(): readonly string[] {
    const digests = [...this.#written.keys()];
    try {
      for (const [digest, name] of this.#written) {
        const path = objectPath({ objects: this.#objects }, digest);
        inFolder(path, () => renameSync(`${this.#staged}/${name}`, path));
      }
    } catch (error) {
      throw fileError(error, "store objects in", this.#objects);
    }
    this.forgetFolders();
    return digests;
  }

  /** Forgets which folders of objects there are: what was staged became objects. */
  forgetFolders(): void {
    this.#known.clear();
    this.#written.clear();
  }

  /**
   * An object of another size is damaged, and written anew. A folder that another process makes meanwhile is missed, so
   * that content is written once more, and no harm is done.
   */
  #isStored(digest: string, size: number): boolean {
    return this.#hasFolder(digest.slice(0, 2)) && this.#sizeOf(digest) === size;
  }

  #nameOf(digest: string): string {
    return this.#hasFolder(digest.slice(0, 2)) ? digest : objectName(digest);
  }

  #hasFolder(folder: string): boolean {
    let known = this.#known.get(folder);
    if (known === undefined) {
      known = statSync(`${this.#objects}/${folder}`, { throwIfNoEntry: false }) !== undefined;
      this.#known.set(folder, known);
    }
    return known;
  }

  /** Gives up the content whose parts were added, if there is one. */
  abandonParts(): void {
    const open = this.#open;
    this.#open = undefined;
    if (open === undefined) return;
    closeSync(open.fd);
    rmSync(open.path, { force: true });
  }

  [Symbol.dispose](): void {
    this.abandonParts();
  }
}

/** The name of an object with a content. */
export function objectDigest(bytes: Uint8Array): string {
  return Buffer.from(fsVerityDigest(bytes)).toString("hex");
}

/** Does what makes a file, and makes its folder where that is missing. */
function inFolder<T>(path: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
  mkdirSync(dirname(path), { recursive: true });
  return make();
}

/** Writes an object unless there is one already; says whether it did. What could not be written whole is gone. */
function writeNewObject(path: string, bytes: Uint8Array, executable: boolean, umask: number): boolean {
  let fd: number;
  try {
    fd = inFolder(path, () => openNew(path, executable));
  } catch (error) {
    if (errnoOf(error) === "EEXIST") return false;
    throw error;
  }
  try {
    fill(fd, bytes, executable, umask);
    return true;
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  } finally {
    closeSync(fd);
  }
}

function objectMode(executable: boolean): number {
  return executable ? 0o555 : 0o444;
}

function openNew(path: string, executable: boolean): number {
  return openSync(path, newFile, objectMode(executable));
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let offset = 0; offset < bytes.length; ) offset += writeSync(fd, bytes, offset);
}

/** Sets what a umask or the time of day would change. */
function finish(fd: number, executable: boolean, umask: number): void {
  if ((umask & 0o555) !== 0) fchmodSync(fd, objectMode(executable));
  futimesSync(fd, 0, 0);
}

function fill(fd: number, bytes: Uint8Array, executable: boolean, umask: number): void {
  writeAll(fd, bytes);
  finish(fd, executable, umask);
  if (bytes.length >= writtenEarlyBytes) startWriting(fd);
}

/** Writes a file as objects are: read-only, time 0. */
export function writeObject(path: string, bytes: Uint8Array, executable: boolean): void {
  const fd = openNew(path, executable);
  try {
    fill(fd, bytes, executable, process.umask());
  } finally {
    closeSync(fd);
  }
}
